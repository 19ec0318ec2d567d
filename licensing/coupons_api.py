"""Coupons of a publisher, and what a buyer's invoices name."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from accounts.interface import ActorView, checked, refusals
from licensing import sold
from licensing.models import Coupon
from licensing.services.create_coupon import create_coupon, end_coupon
from licensing.services.set_billing import set_billing


class CouponRequest(serializers.Serializer[object]):
    code = serializers.CharField(max_length=40)
    percent_off = serializers.IntegerField(required=False, default=0, min_value=0, max_value=100)
    amount_off_minor = serializers.IntegerField(
        required=False, default=0, min_value=0, help_text="Instead of a percentage; without tax."
    )
    currency = serializers.CharField(required=False, allow_blank=True, default="", max_length=3)
    redemptions_limit = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class CouponShape(CouponRequest):
    redeemed = serializers.IntegerField(help_text="Orders placed with it that were not given up.")


class CouponList(serializers.Serializer[object]):
    results = CouponShape(many=True)


class BillingShape(serializers.Serializer[object]):
    address = serializers.CharField(max_length=500, help_text="Legal name and address, line by line.")
    tax_id = serializers.CharField(required=False, allow_blank=True, default="", max_length=50)


class CouponsView(ActorView):
    """Reductions that your organization gives away by their codes."""

    @extend_schema(
        operation_id="list_coupons", tags=["licensing"], responses={200: CouponList, **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        found = organization_for(self.actor, organization)
        self.actor.require("publish", found.pk)
        return Response({"results": [_coupon(row, count) for row, count in sold.coupons_of(found)]})

    @extend_schema(
        operation_id="create_coupon",
        tags=["licensing"],
        request=CouponRequest,
        responses={201: CouponShape, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        found = organization_for(self.actor, organization)
        self.actor.require("publish", found.pk)
        made = create_coupon(actor=self.actor, organization=found, **checked(CouponRequest, request.data))
        return Response(_coupon(made, 0), status=201)


class CouponView(ActorView):
    """One coupon."""

    @extend_schema(operation_id="end_coupon", tags=["licensing"], responses={204: None, **refusals(401, 403, 404)})
    def delete(self, request: Request, organization: str, code: str) -> Response:
        """Nobody can use it from now on. Orders placed with it stay."""
        found = organization_for(self.actor, organization)
        end_coupon(actor=self.actor, organization=found, code=code)
        return Response(status=204)


class BillingView(ActorView):
    """What your organization's invoices name, from the next order on."""

    @extend_schema(
        operation_id="set_billing",
        tags=["licensing"],
        request=BillingShape,
        responses={200: BillingShape, **refusals(400, 401, 403, 404, 415, 422)},
    )
    def put(self, request: Request, organization: str) -> Response:
        found = organization_for(self.actor, organization)
        self.actor.require("purchase", found.pk)
        details = set_billing(actor=self.actor, organization=found, **checked(BillingShape, request.data))
        return Response({"address": details.address, "tax_id": details.tax_id})


def _coupon(coupon: Coupon, redeemed: int) -> dict[str, Any]:
    names = ("code", "percent_off", "amount_off_minor", "currency", "redemptions_limit", "expires_at")
    return {**{name: getattr(coupon, name) for name in names}, "redeemed": redeemed}

"""Publishers' way to payouts, and buyers' to the payment provider's own pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from accounts.interface import ActorView, refusals
from licensing.domain.bookkeeping import in_words
from licensing.models import LedgerLine, Payout, PublisherAccount
from licensing.services.connect_publisher import connect_publisher
from licensing.services.open_portal import open_portal
from licensing.services.pay_out import owed_minor


class AddressShape(serializers.Serializer[object]):
    url = serializers.CharField(help_text="Where a person goes on; good for some minutes.")


class PayoutShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    amount = serializers.CharField(help_text="In words.")
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    driver = serializers.ChoiceField(["invoice", "stripe"])
    state = serializers.ChoiceField(["begun", "paid"])
    created_at = serializers.DateTimeField()


class PayoutsShape(serializers.Serializer[object]):
    is_connected = serializers.BooleanField(help_text="Payouts go to an account at Stripe.")
    owed = serializers.DictField(child=serializers.IntegerField(), help_text="By currency, in the smallest unit.")
    payouts = PayoutShape(many=True)


class PayoutsView(ActorView):
    """What your organization has earned and was paid; and the account that payouts go to."""

    @extend_schema(
        operation_id="get_payouts", tags=["licensing"], responses={200: PayoutsShape, **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        found = organization_for(self.actor, organization)
        self.actor.require("admin", found.pk)
        lines = LedgerLine.objects.filter(account="payable", organization=found)
        currencies = sorted(set(lines.values_list("currency", flat=True)))
        account = PublisherAccount.objects.filter(organization=found).first()
        payouts = Payout.objects.filter(organization=found).order_by("-created_at")[:100]
        return Response(
            {
                "is_connected": account is not None and account.is_ready,
                "owed": {currency: owed_minor(found.pk, currency) for currency in currencies},
                "payouts": [_payout(payout) for payout in payouts],
            }
        )

    @extend_schema(
        operation_id="connect_payouts",
        tags=["licensing"],
        request=None,
        responses={200: AddressShape, **refusals(401, 403, 404, 409, 503)},
    )
    def post(self, request: Request, organization: str) -> Response:
        found = organization_for(self.actor, organization)
        back = f"{settings.KEIKEN.site_url}/organizations/{found.slug}"
        return Response({"url": connect_publisher(actor=self.actor, organization=found, return_url=back)})


class OrderPortalView(ActorView):
    """The payment provider's own page for cards and invoices of a subscription."""

    @extend_schema(
        operation_id="open_portal",
        tags=["licensing"],
        request=None,
        responses={200: AddressShape, **refusals(401, 403, 404, 409, 503)},
    )
    def post(self, request: Request, order: str) -> Response:
        return Response({"url": open_portal(actor=self.actor, order_id=order)})


def _payout(payout: Payout) -> dict[str, Any]:
    names = ("id", "amount_minor", "currency", "driver", "state", "created_at")
    return {name: getattr(payout, name) for name in names} | {"amount": in_words(payout.amount_minor, payout.currency)}

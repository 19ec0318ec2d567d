"""When an organization's experiences are proven again: what it asked for, within what the operator allows."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from accounts.interface import ActorView, checked, refusals
from accounts.models import Organization
from experiences.log_api import ReverificationRulesShape
from experiences.reverification import document_of, policies_of, site_bounds, site_rules
from experiences.services.set_reverification import set_reverification


class WishShape(serializers.Serializer[Any]):
    """What is null or left out is not asked for: the marketplace's own rule holds."""

    topic = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=64, help_text="Empty: all of its experiences."
    )
    max_age_days = serializers.IntegerField(required=False, allow_null=True, default=None)
    on_new_environment = serializers.BooleanField(required=False, allow_null=True, default=None)
    on_environment_change = serializers.BooleanField(required=False, allow_null=True, default=None)
    diverging_reports = serializers.IntegerField(required=False, allow_null=True, default=None)
    request_minutes = serializers.IntegerField(required=False, allow_null=True, default=None)


class BoundShape(serializers.Serializer[Any]):
    least = serializers.IntegerField()
    most = serializers.IntegerField()


class BoundsShape(serializers.Serializer[Any]):
    max_age_days = BoundShape()
    diverging_reports = BoundShape()
    request_minutes = BoundShape()


class ReverificationShape(serializers.Serializer[Any]):
    site = ReverificationRulesShape(
        help_text="They apply to everybody; of these and all that is asked for the strictest holds."
    )
    bounds = BoundsShape()
    policies = WishShape(many=True)


class ReverificationView(ActorView):
    @extend_schema(
        operation_id="get_reverification",
        tags=["organizations"],
        responses={200: ReverificationShape, **refusals(401, 404)},
    )
    def get(self, request: Request, organization: str) -> Response:
        return Response(_document(organization_for(self.actor, organization)))

    @extend_schema(
        operation_id="set_reverification",
        tags=["organizations"],
        request=WishShape,
        responses={200: ReverificationShape, **refusals(400, 401, 403, 404, 422)},
    )
    def put(self, request: Request, organization: str) -> Response:
        """Set what is asked for, for all experiences or for those of one topic; all null removes it."""
        found = organization_for(self.actor, organization)
        set_reverification(actor=self.actor, organization=found, **checked(WishShape, request.data))
        return Response(_document(found))


def _document(organization: Organization) -> dict[str, Any]:
    return {
        "site": site_rules().document(),
        "bounds": {name: {"least": least, "most": most} for name, (least, most) in site_bounds().items()},
        "policies": [document_of(row) for row in policies_of(organization)],
    }

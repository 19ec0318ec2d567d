"""What publishers ask of their own experiences: where replays hold in the field."""

from __future__ import annotations

from dataclasses import asdict

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from experiences.access import version_for
from marketplace.api.base import View, checked, problems
from marketplace.publishing import map_of_field, own_experience


class FieldMapQuery(serializers.Serializer[object]):
    version = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")


class FieldCell(serializers.Serializer[object]):
    value = serializers.CharField(allow_blank=True, help_text="Empty: all seldom values together.")
    succeeded = serializers.IntegerField()
    troubled = serializers.IntegerField(help_text="Diverged or failed.")


class FactMapShape(serializers.Serializer[object]):
    key = serializers.CharField()
    is_condition = serializers.BooleanField()
    cells = FieldCell(many=True)
    separation = serializers.FloatField(help_text="0: says nothing; 1: tells good replays from bad alone.")


class FieldMapShape(serializers.Serializer[object]):
    reports = serializers.IntegerField()
    facts = FactMapShape(many=True)


class FieldMapView(View):
    """Reported replays counted by the facts of their machines: for the publisher's organization."""

    @extend_schema(
        operation_id="get_field_map",
        tags=["field"],
        parameters=[FieldMapQuery],
        responses={200: FieldMapShape, **problems(400, 401, 403, 404)},
    )
    def get(self, request: Request, organization: str, name: str) -> Response:
        """First the conditions, then the facts in which good and bad replays differ most."""
        actor = self.actor
        experience = own_experience(actor, organization_for(actor, organization), name)
        version = checked(FieldMapQuery, request.query_params)["version"]
        chosen = version_for(actor, organization, name, version) if version else None
        maps, count = map_of_field(experience, chosen)
        return Response({"reports": count, "facts": [asdict(item) for item in maps]})

"""What changed between two versions, for programs that decide whether to go to the next one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.base import View, problems
from marketplace.comparison import EFFECTS, KINDS, SECTIONS, compared, document_of


class ComparedLine(serializers.Serializer[Any]):
    sign = serializers.ChoiceField(["+", "-", " ", "…"], help_text="New, gone, in both, or lines left out.")
    text = serializers.CharField(allow_blank=True)


class ComparedChange(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(list(KINDS))
    what = serializers.CharField(help_text="The step, parameter, fact or kind of permission.")
    lines = ComparedLine(many=True)
    effects = serializers.ListField(
        child=serializers.ChoiceField(list(EFFECTS)), help_text="What it means for whoever used the version before."
    )


class ComparedSection(serializers.Serializer[Any]):
    section = serializers.ChoiceField(list(SECTIONS))
    changes = ComparedChange(many=True)


class ComparedVersion(serializers.Serializer[Any]):
    version = serializers.CharField()
    digest = serializers.CharField()
    published_at = serializers.DateTimeField()


class ComparisonShape(serializers.Serializer[Any]):
    experience = serializers.CharField()
    old = ComparedVersion()
    new = ComparedVersion()
    is_same = serializers.BooleanField(help_text="The very same bytes.")
    sections = ComparedSection(many=True, help_text="Only what differs; empty where both do and say the same.")


class CompareView(View):
    """What is not the same in two versions: permissions, conditions, parameters, steps, terms, words."""

    @extend_schema(
        operation_id="compare_versions",
        tags=["experiences"],
        responses={200: ComparisonShape, **problems(401, 404)},
    )
    def get(self, request: Request, organization: str, name: str, old: str, new: str) -> Response:
        return Response(document_of(compared(self.actor, organization, name, old, new)))

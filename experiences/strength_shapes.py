"""The strength of checks as the API tells it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers

from experiences.models import CheckStrength
from keiken.strength import sentence


class MutantShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["omit", "corrupt", "undo"])
    step = serializers.CharField()
    target = serializers.CharField(allow_blank=True, help_text="The file, output or stream that was made wrong.")
    how = serializers.CharField()
    scenario = serializers.CharField()
    sentence = serializers.CharField()
    proposal = serializers.CharField(allow_blank=True, help_text="A check that was seen to notice it.")
    place = serializers.CharField(allow_blank=True, help_text="Where it belongs: 'step' or 'scenario'.")


class StrengthShape(serializers.Serializer[Any]):
    """How many wrong effects the checks notice: each step left out, each output corrupted, each effect undone."""

    grade = serializers.ChoiceField(["strong", "fair", "weak", "unknown"])
    caught = serializers.IntegerField()
    n = serializers.IntegerField()
    made = serializers.IntegerField(help_text="How many there can be; more than n when a sample was tried.")
    interval = serializers.ListField(child=serializers.FloatField(), help_text="Wilson's 95 % interval of caught/n.")
    survived = MutantShape(many=True)


def strength_document(found: CheckStrength | None) -> dict[str, Any] | None:
    if found is None:
        return None
    strength = found.strength
    return {
        "grade": strength.grade(settings.KEIKEN.min_check_strength),
        "caught": found.caught,
        "n": found.n,
        "made": strength.made,
        "interval": [round(end, 4) for end in strength.interval],
        "survived": [{**mutant.model_dump(), "sentence": sentence(mutant)} for mutant in strength.survivors],
    }

"""What the verifications of a version are at."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.interface import ActorView, refusals
from experiences.access import require_evidence, version_for
from experiences.watching import Watched, watched


class ProgressEntryShape(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="Counts up from 1 in each attempt; a gap at the start: not kept.")
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(["attempt", "scenario", "step", "verdict", "mutants"])
    scenario = serializers.CharField(required=False)
    run = serializers.IntegerField(required=False)
    step = serializers.CharField(required=False)
    title = serializers.CharField(required=False)
    status = serializers.CharField(required=False, help_text="'running', then how the step ended.")
    seconds = serializers.FloatField(required=False)
    exit_code = serializers.IntegerField(required=False)
    reason = serializers.CharField(required=False)
    output = serializers.CharField(required=False, help_text="The end of what the step printed, masked.")
    verdict = serializers.CharField(required=False)
    tried = serializers.IntegerField(required=False)
    chosen = serializers.IntegerField(required=False)
    attempt = serializers.IntegerField(required=False)
    environment = serializers.CharField(required=False)


class WatchedScenarioShape(serializers.Serializer[Any]):
    scenario = serializers.CharField()
    verdict = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)


class WatchedShape(serializers.Serializer[Any]):
    verification = serializers.UUIDField()
    environment = serializers.CharField()
    state = serializers.ChoiceField(["queued", "running", "done"])
    verdict = serializers.CharField(allow_blank=True)
    trigger = serializers.CharField()
    attempt = serializers.IntegerField(help_text="The attempt that the entries are of; 0 before the first.")
    note = serializers.CharField(allow_blank=True, help_text="For the publisher and operators: why it still waits.")
    entries = ProgressEntryShape(many=True)
    scenarios = WatchedScenarioShape(many=True)


class ProgressShape(serializers.Serializer[Any]):
    digest = serializers.CharField()
    verifications = WatchedShape(many=True)


class ProgressView(ActorView):
    """The newest verification in each environment with its live log: ask again every second or two while it runs."""

    @extend_schema(
        operation_id="get_progress",
        tags=["experiences"],
        responses={200: ProgressShape, **refusals(401, 403, 404)},
    )
    def get(self, request: Request, organization: str, name: str, version: str) -> Response:
        found = version_for(self.actor, organization, name, version)
        require_evidence(self.actor, found.experience)
        may_read_notes = self.actor.is_operator or self.actor.acts_for(found.experience.organization_id)
        rows = [_document(item, may_read_notes=may_read_notes) for item in watched(found)]
        return Response({"digest": found.blob_id, "verifications": rows})


def _document(item: Watched, *, may_read_notes: bool) -> dict[str, Any]:
    row = item.row
    return {
        "verification": row.pk,
        "environment": row.environment_name,
        "state": row.state,
        "verdict": row.verdict,
        "trigger": row.trigger,
        "attempt": item.attempt,
        "note": row.operator_note if may_read_notes else "",
        "entries": item.entries,
        "scenarios": [
            {"scenario": result.scenario, "verdict": result.verdict, "reason": result.reason}
            for result in sorted(row.results.all(), key=lambda result: result.scenario)
        ],
    }

"""What the last verifications of a version saw, step by step."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.interface import ActorView, checked, refusals
from experiences.access import may_see_evidence, version_for
from experiences.evidence import Compared, Proof, ScenarioProof, newest_proofs, outlined


class DifferenceShape(serializers.Serializer[Any]):
    step = serializers.CharField(allow_blank=True, help_text="Empty for what belongs to the whole scenario.")
    what = serializers.ChoiceField(
        ["outcome", "status", "exit_code", "check", "value", "output", "file", "result", "left_out"]
    )
    name = serializers.CharField(allow_blank=True)
    one = serializers.CharField(allow_blank=True)
    other = serializers.CharField(allow_blank=True)


class ComparedShape(serializers.Serializer[Any]):
    verification = serializers.UUIDField(help_text="The same verification where its run was repeated at once.")
    finished_at = serializers.DateTimeField(allow_null=True)
    differences = DifferenceShape(many=True)


class ScenarioProofShape(serializers.Serializer[Any]):
    scenario = serializers.CharField()
    verdict = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    runs = serializers.ListField(child=serializers.DictField(), help_text="Evidence, format in docs/verification.md.")
    compared = ComparedShape(allow_null=True)
    runs_known = serializers.IntegerField()
    outcomes_known = serializers.IntegerField()


class ProofShape(serializers.Serializer[Any]):
    verification = serializers.UUIDField()
    environment = serializers.CharField()
    environment_digest = serializers.CharField(allow_blank=True)
    verdict = serializers.CharField()
    finished_at = serializers.DateTimeField()
    scenarios = ScenarioProofShape(many=True)


class EvidenceShape(serializers.Serializer[Any]):
    digest = serializers.CharField()
    is_full = serializers.BooleanField(
        help_text="False without a license: then only how each step ended and how long it took is told."
    )
    proofs = ProofShape(many=True)


class EvidenceQuery(serializers.Serializer[Any]):
    environment = serializers.CharField(required=False, max_length=64, help_text="Only in this environment.")


class EvidenceView(ActorView):
    """The last concluded verification in each environment: every run step by step, and what differs between runs."""

    @extend_schema(
        operation_id="get_evidence",
        tags=["experiences"],
        parameters=[OpenApiParameter("environment", str, description="Only in this environment.")],
        responses={200: EvidenceShape, **refusals(400, 401, 404)},
    )
    def get(self, request: Request, organization: str, name: str, version: str) -> Response:
        found = version_for(self.actor, organization, name, version)
        query = checked(EvidenceQuery, request.query_params)
        is_full = may_see_evidence(self.actor, found.experience)
        proofs = newest_proofs(found, query.get("environment", ""))
        shown = proofs if is_full else [outlined(proof) for proof in proofs]
        return Response(
            {"digest": found.blob_id, "is_full": is_full, "proofs": [document_of(proof) for proof in shown]}
        )


def document_of(proof: Proof) -> dict[str, Any]:
    row = proof.verification
    return {
        "verification": row.pk,
        "environment": row.environment_name,
        "environment_digest": row.environment.digest if row.environment else "",
        "verdict": row.verdict,
        "finished_at": row.finished_at,
        "scenarios": [_scenario(item) for item in proof.scenarios],
    }


def _scenario(item: ScenarioProof) -> dict[str, Any]:
    return {
        "scenario": item.scenario,
        "verdict": item.verdict,
        "reason": item.reason,
        "runs": [run.model_dump(mode="json", exclude_defaults=True) for run in item.runs],
        "compared": _compared(item.compared) if item.compared is not None else None,
        "runs_known": item.runs_known,
        "outcomes_known": item.outcomes_known,
    }


def _compared(compared: Compared) -> dict[str, Any]:
    return {
        "verification": compared.verification,
        "finished_at": compared.finished_at,
        "differences": [difference.model_dump() for difference in compared.differences],
    }

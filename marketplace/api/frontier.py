"""The condition frontier of a version: what was found, asking for it, and taking a proposal over."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiences.access import may_see_evidence, version_for
from experiences.models import Version
from experiences.services.explore_frontier import request_frontier
from marketplace.api.base import View, checked, problems
from marketplace.frontier import document_of, newest_runs, proposals_for
from marketplace.services.accept_proposal import accept_proposal


class ProposalShape(serializers.Serializer[Any]):
    key = serializers.CharField()
    direction = serializers.ChoiceField(["narrower", "wider"])
    value = serializers.JSONField(allow_null=True, help_text="As in experience.yaml; null takes the condition away.")
    text = serializers.CharField()
    evidence = serializers.ListField(child=serializers.CharField())


class ExplorationShape(serializers.Serializer[Any]):
    environment = serializers.CharField()
    environment_digest = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(["queued", "running", "done"])
    finished_at = serializers.DateTimeField(allow_null=True)
    method = serializers.IntegerField()
    runs = serializers.ListField(child=serializers.DictField())
    not_run = serializers.ListField(child=serializers.DictField())
    conditions = serializers.ListField(child=serializers.DictField(), help_text="Condition, verdict, evidence.")
    dependences = serializers.ListField(child=serializers.DictField(), help_text="Undeclared, and it decides.")
    seconds = serializers.FloatField()


class FrontierShape(serializers.Serializer[Any]):
    digest = serializers.CharField()
    is_full = serializers.BooleanField(help_text="False without a license: then reasons of runs are left out.")
    explorations = ExplorationShape(many=True)
    proposals = ProposalShape(many=True, help_text="For the publisher only; else empty.")


class ProposalAcceptance(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=100, help_text="The fact whose proposed condition is taken over.")


class AcceptedProposal(serializers.Serializer[Any]):
    version = serializers.CharField()
    digest = serializers.CharField()


class FrontierView(View):
    """Where the conditions of a version really end."""

    @extend_schema(
        operation_id="get_frontier", tags=["experiences"], responses={200: FrontierShape, **problems(401, 404)}
    )
    def get(self, request: Request, organization: str, name: str, version: str) -> Response:
        return Response(self._document(version_for(self.actor, organization, name, version)))

    @extend_schema(
        operation_id="request_frontier",
        tags=["experiences"],
        request=None,
        responses={202: FrontierShape, **problems(401, 403, 404, 429)},
    )
    def post(self, request: Request, organization: str, name: str, version: str) -> Response:
        found = version_for(self.actor, organization, name, version)
        request_frontier(actor=self.actor, version=found)
        return Response(self._document(found), status=202)

    def _document(self, found: Version) -> dict[str, Any]:
        is_full = may_see_evidence(self.actor, found.experience)
        is_own = self.actor.acts_for(found.experience.organization_id)
        return {
            "digest": found.blob_id,
            "is_full": is_full,
            "explorations": [document_of(row, is_full=is_full) for row in newest_runs(found)],
            "proposals": [one.model_dump(mode="json") for one in proposals_for(found)] if is_own else [],
        }


class AcceptProposalView(View):
    """Publish the next version with a proposed condition."""

    @extend_schema(
        operation_id="accept_proposal",
        tags=["experiences"],
        request=ProposalAcceptance,
        responses={201: AcceptedProposal, **problems(400, 401, 403, 404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, organization: str, name: str, version: str) -> Response:
        found = version_for(self.actor, organization, name, version)
        wanted = checked(ProposalAcceptance, request.data)
        made = accept_proposal(actor=self.actor, version=found, key=wanted["key"])
        return Response({"version": made.version, "digest": made.blob_id}, status=201)

"""The public log for everybody: what was signed, in which order, and proofs that nothing was changed afterwards."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.interface import ActorView, checked, refusals
from experiences.access import version_for
from experiences.public_log import ENTRIES_AT_ONCE, consistency, entries_from, head, inclusion
from experiences.reverification import applied_policy, site_rules
from experiences.services.submit_statement import submit_statement
from experiences.services.summarize import policy

SIZE_MAX = 2**62


class LogProofShape(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    leaf = serializers.CharField(help_text="The entry's text; its leaf hash is the SHA-256 of a zero byte and this.")
    hashes = serializers.ListField(child=serializers.CharField(), help_text="In base64, the leaf's neighbor first.")


class ReverificationRulesShape(serializers.Serializer[Any]):
    """When a version is proven again."""

    max_age_days = serializers.IntegerField()
    on_new_environment = serializers.BooleanField()
    on_environment_change = serializers.BooleanField()
    diverging_reports = serializers.IntegerField()
    request_minutes = serializers.IntegerField()


class PolicyShape(serializers.Serializer[Any]):
    rule = serializers.CharField()
    neutral = serializers.ListField(child=serializers.CharField(), help_text="Verdicts that decide nothing.")
    valid_days = serializers.IntegerField()
    minimum_isolation = serializers.CharField()
    minimum_check_strength = serializers.FloatField(required=False)
    reverification = ReverificationRulesShape(required=False, help_text="The strictest of all that applied.")


class CheckpointShape(serializers.Serializer[Any]):
    size = serializers.IntegerField()
    checkpoint = serializers.CharField(help_text="A signed note (c2sp.org/tlog-checkpoint).")
    signed_at = serializers.DateTimeField()


class EntryShape(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    kind = serializers.CharField()
    digest = serializers.CharField(help_text="Of the envelope: of its payload, payloadType and signatures.")
    leaf = serializers.CharField()
    logged_at = serializers.DateTimeField()


class EntriesShape(serializers.Serializer[Any]):
    entries = EntryShape(many=True)


class EntriesQuery(serializers.Serializer[Any]):
    start = serializers.IntegerField(min_value=0, max_value=SIZE_MAX, required=False, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=ENTRIES_AT_ONCE, required=False, default=100)


class InclusionShape(LogProofShape):
    size = serializers.IntegerField()


class InclusionQuery(serializers.Serializer[Any]):
    index = serializers.IntegerField(min_value=0, max_value=SIZE_MAX, required=False)
    digest = serializers.RegexField(r"^sha256:[0-9a-f]{64}\Z", required=False)
    size = serializers.IntegerField(min_value=1, max_value=SIZE_MAX, required=False)


class ConsistencyShape(serializers.Serializer[Any]):
    first = serializers.IntegerField()
    second = serializers.IntegerField()
    hashes = serializers.ListField(child=serializers.CharField())


class ConsistencyQuery(serializers.Serializer[Any]):
    first = serializers.IntegerField(min_value=0, max_value=SIZE_MAX)
    second = serializers.IntegerField(min_value=0, max_value=SIZE_MAX)


class PolicyView(ActorView):
    """By which rules versions count as proven where nobody asked for stricter ones."""

    @extend_schema(
        operation_id="get_verification_policy",
        tags=["log"],
        responses={200: PolicyShape, **refusals()},
    )
    def get(self, request: Request) -> Response:
        return Response(policy(site_rules()))


class AppliedPolicyView(ActorView):
    """The rules a summary was made by, under the digest that it names: the SHA-256 of their canonical JSON."""

    @extend_schema(
        operation_id="get_applied_policy",
        tags=["log"],
        responses={200: PolicyShape, **refusals(404)},
    )
    def get(self, request: Request, digest: str) -> Response:
        return Response(applied_policy(digest).document)


class CheckpointView(ActorView):
    """The log as it is now, signed."""

    @extend_schema(operation_id="get_log_checkpoint", tags=["log"], responses={200: CheckpointShape, **refusals(404)})
    def get(self, request: Request) -> Response:
        row = head()
        return Response({"size": row.size, "checkpoint": row.checkpoint, "signed_at": row.signed_at})


class EntriesView(ActorView):
    """Entries in their order; an entry holds the digest of what was signed and not its content."""

    @extend_schema(
        operation_id="list_log_entries",
        tags=["log"],
        parameters=[EntriesQuery],
        responses={200: EntriesShape, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        query = checked(EntriesQuery, request.query_params)
        return Response({"entries": entries_from(query["start"], query["limit"])})


class InclusionView(ActorView):
    """The proof that an entry, named by index or digest, is in the log of ``size`` (now, unless given)."""

    @extend_schema(
        operation_id="prove_log_inclusion",
        tags=["log"],
        parameters=[InclusionQuery],
        responses={200: InclusionShape, **refusals(400, 404)},
    )
    def get(self, request: Request) -> Response:
        query = checked(InclusionQuery, request.query_params)
        return Response(inclusion(index=query.get("index"), digest=query.get("digest", ""), size=query.get("size")))


class ConsistencyView(ActorView):
    """The proof that the log of ``second`` entries begins with all of the log of ``first``."""

    @extend_schema(
        operation_id="prove_log_consistency",
        tags=["log"],
        parameters=[ConsistencyQuery],
        responses={200: ConsistencyShape, **refusals(400, 404, 422)},
    )
    def get(self, request: Request) -> Response:
        query = checked(ConsistencyQuery, request.query_params)
        return Response({**query, "hashes": consistency(query["first"], query["second"])})


class StatementRequest(serializers.Serializer[Any]):
    envelope = serializers.DictField(help_text="A DSSE envelope around a test-result statement about this version.")
    public_key = serializers.CharField(max_length=64, help_text="The raw 32 bytes in base64.")


class StatementShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    digest = serializers.CharField(help_text="Of the envelope, as the public log will name it.")
    verdict = serializers.CharField()


class IndependentStatementsView(ActorView):
    """Add what you saw and signed when you proved the version on machines of your own."""

    @extend_schema(
        operation_id="submit_independent_statement",
        tags=["log"],
        request=StatementRequest,
        responses={200: StatementShape, 201: StatementShape, **refusals(400, 401, 403, 404, 422)},
    )
    def post(self, request: Request, organization: str, name: str, version: str) -> Response:
        wanted = checked(StatementRequest, request.data)
        found = version_for(self.actor, organization, name, version)
        row, is_new = submit_statement(
            actor=self.actor, version=found, envelope=wanted["envelope"], public_key=wanted["public_key"]
        )
        return Response({"id": row.pk, "digest": row.digest, "verdict": row.verdict}, status=201 if is_new else 200)

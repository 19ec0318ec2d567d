"""Publishing, versions, verdicts, attestations and the keys they are signed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actors import Actor
from accounts.domain.refusals import TooLarge
from accounts.interface import ActorView, checked, refusals
from experiences.access import version_for
from experiences.log_api import LogProofShape, ReverificationRulesShape
from experiences.models import CheckStrength, Verification, Version
from experiences.public_log import attestations_document
from experiences.reverification import rules_for
from experiences.selectors import strengths_of, valid_until
from experiences.services.offer_keys import offer_keys
from experiences.services.publish import publish
from experiences.services.request_verification import request_verification
from experiences.services.yank import unyank, yank
from experiences.strength_shapes import StrengthShape, strength_document


class ArchiveParser(BaseParser):
    """The raw bytes of a package, never more than the limit, whatever the request says of its length."""

    media_type = "application/gzip"

    def parse(  # type: ignore[override]  # the view takes the raw bytes, no mapping
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> bytes:
        limit = settings.KEIKEN.upload_max_bytes
        declared = str((parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0")
        is_too_large = declared.isdecimal() and int(declared) > limit
        data = b"" if is_too_large else stream.read(limit + 1)
        if is_too_large or len(data) > limit:
            raise TooLarge(
                "archive_too_large",
                _("The package is larger than {n} bytes.").format(n=limit),
                _("Leave out what a replay does not need."),
            )
        return bytes(data)


class Scenario(serializers.Serializer[Any]):
    scenario = serializers.CharField()
    verdict = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)


class VerificationShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    environment = serializers.CharField(help_text="What it ran in; before it ran, what was asked for.")
    environment_digest = serializers.CharField(allow_blank=True)
    isolation = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(["queued", "running", "done"])
    verdict = serializers.CharField(allow_blank=True)
    valid_until = serializers.DateTimeField(allow_null=True, help_text="So long the verdict counts.")
    is_trial = serializers.BooleanField(
        help_text="In an environment that no scenario names: it shows where the version holds and decides nothing."
    )
    trigger = serializers.CharField()
    operator_note = serializers.CharField(
        allow_blank=True, help_text="Why it still waits; only its publisher and the operators see it."
    )
    scenarios = Scenario(many=True)
    check_strength = StrengthShape(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    attestation_url = serializers.CharField(allow_null=True)


class VersionShape(serializers.Serializer[Any]):
    organization = serializers.CharField()
    name = serializers.CharField()
    version = serializers.CharField()
    digest = serializers.CharField()
    size = serializers.IntegerField()
    published_at = serializers.DateTimeField()
    yanked_at = serializers.DateTimeField(allow_null=True)
    yanked_reason = serializers.CharField(allow_blank=True)
    reverification = ReverificationRulesShape(
        help_text="When it is proven again: the strictest of all that applies to it."
    )
    manifest = serializers.DictField()
    skill = serializers.DictField()
    verifications = VerificationShape(many=True)


class AttestationShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    valid_until = serializers.DateTimeField(allow_null=True)
    is_expired = serializers.BooleanField(help_text="It no longer counts as proof.")
    envelope = serializers.DictField()
    log = LogProofShape(allow_null=True)


class IndependentShape(AttestationShape):
    organization = serializers.CharField(help_text="Who sent it.")
    public_key = serializers.CharField(help_text="What it was signed with; you decide whether you trust it.")


class Attestations(serializers.Serializer[Any]):
    digest = serializers.CharField()
    attestations = AttestationShape(many=True)
    summary = AttestationShape(allow_null=True, help_text="What they say together, signed: a SLSA summary.")
    independent = IndependentShape(many=True, help_text="What other verifiers saw and signed with keys of their own.")
    checkpoint = serializers.CharField(allow_blank=True, help_text="The signed note that all proofs lead to.")


class KeyShape(serializers.Serializer[Any]):
    key_id = serializers.CharField()
    public_key = serializers.CharField(help_text="The raw 32 bytes in base64.")
    not_before = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)
    signed_by = serializers.DictField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revocation = serializers.DictField(allow_null=True)


class Keys(serializers.Serializer[Any]):
    keys = KeyShape(many=True)


class PublishQuery(serializers.Serializer[Any]):
    visibility = serializers.ChoiceField(
        ["public", "organization"],
        required=False,
        help_text="Who sees the experience. Left out, it stays as it is; a new one is public.",
    )


class YankRequest(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)


def version_document(actor: Actor, version: Version) -> dict[str, Any]:
    """A version with its last hundred verifications, newest first."""
    # A note may name folders and settings of this machine.
    may_read_notes = actor.is_operator or actor.acts_for(version.experience.organization_id)
    rows = (
        version.verifications.select_related("environment", "attestation")
        .prefetch_related("results")
        .order_by("-created_at")
    )
    strengths = strengths_of(version)
    return {
        "organization": version.experience.organization.slug,
        "name": version.experience.name,
        "version": version.version,
        "digest": version.blob_id,
        "size": version.blob.size_bytes,
        "published_at": version.published_at,
        "yanked_at": version.yanked_at,
        "yanked_reason": version.yanked_reason,
        "manifest": version.manifest,
        "skill": version.skill,
        "reverification": rules_for(version.experience).document(),
        "verifications": [_verification(version, row, strengths, may_read_notes=may_read_notes) for row in rows[:100]],
    }


def _verification(
    version: Version, row: Verification, strengths: Mapping[int, CheckStrength], *, may_read_notes: bool
) -> dict[str, Any]:
    experience = version.experience
    address = f"/api/v1/experiences/{experience.organization.slug}/{experience.name}/versions/{version.version}"
    return {
        "id": row.pk,
        "environment": row.environment.name if row.environment else row.environment_name,
        "environment_digest": row.environment.digest if row.environment else "",
        "isolation": row.isolation,
        "state": row.state,
        "verdict": row.verdict,
        "valid_until": valid_until(row) if row.finished_at else None,
        "is_trial": row.is_trial,
        "trigger": row.trigger,
        "operator_note": row.operator_note if may_read_notes else "",
        "scenarios": [
            {"scenario": result.scenario, "verdict": result.verdict, "reason": result.reason}
            for result in row.results.all()
        ],
        "check_strength": strength_document(strengths.get(row.environment_id or 0)),
        "finished_at": row.finished_at,
        "attestation_url": f"{address}/attestations" if hasattr(row, "attestation") else None,
    }


class PublishView(ActorView):
    """Publish an archive. The same bytes again answer 200 with the same version."""

    parser_classes = (ArchiveParser,)

    @extend_schema(
        operation_id="publish",
        tags=["experiences"],
        parameters=[PublishQuery],
        request={"application/gzip": OpenApiTypes.BINARY},
        responses={200: VersionShape, 201: VersionShape, **refusals(401, 403, 404, 409, 413, 415, 422, 503)},
    )
    def post(self, request: Request, organization: str) -> Response:
        # Who may not publish is told so before the body is read.
        self.actor.require("publish")
        query = checked(PublishQuery, request.query_params)
        # An empty body without a Content-Type is not parsed at all; it is no archive, either.
        archive = request.data if isinstance(request.data, bytes) else b""
        published = publish(
            actor=self.actor,
            organization_slug=organization,
            archive=archive,
            visibility=query.get("visibility"),
        )
        version = Version.objects.select_related("experience__organization", "blob").get(pk=published.version.pk)
        return Response(version_document(self.actor, version), status=201 if published.created else 200)


class VersionView(ActorView):
    @extend_schema(
        operation_id="get_version", tags=["experiences"], responses={200: VersionShape, **refusals(401, 404)}
    )
    def get(self, request: Request, organization: str, name: str, version: str) -> Response:
        return Response(version_document(self.actor, version_for(self.actor, organization, name, version)))


class YankView(ActorView):
    @extend_schema(
        operation_id="yank_version",
        tags=["experiences"],
        request=YankRequest,
        responses={200: VersionShape, **refusals(400, 401, 403, 404)},
    )
    def post(self, request: Request, organization: str, name: str, version: str) -> Response:
        found = version_for(self.actor, organization, name, version)
        yank(actor=self.actor, version=found, reason=checked(YankRequest, request.data)["reason"])
        return Response(version_document(self.actor, version_for(self.actor, organization, name, found.version)))

    @extend_schema(
        operation_id="unyank_version", tags=["experiences"], responses={200: VersionShape, **refusals(401, 403, 404)}
    )
    def delete(self, request: Request, organization: str, name: str, version: str) -> Response:
        """Put a withdrawn version back into the listing."""
        unyank(actor=self.actor, version=version_for(self.actor, organization, name, version))
        return Response(version_document(self.actor, version_for(self.actor, organization, name, version)))


class AttestationsView(ActorView):
    """The signed statements about a version, newest first."""

    @extend_schema(
        operation_id="get_attestations", tags=["experiences"], responses={200: Attestations, **refusals(401, 404)}
    )
    def get(self, request: Request, organization: str, name: str, version: str) -> Response:
        found = version_for(self.actor, organization, name, version)
        return Response(attestations_document(found))


class VerificationsView(ActorView):
    """Ask for a version to be proven again, in every environment its scenarios name."""

    @extend_schema(
        operation_id="request_verification",
        tags=["experiences"],
        request=None,
        responses={202: VersionShape, **refusals(401, 403, 404, 429)},
    )
    def post(self, request: Request, organization: str, name: str, version: str) -> Response:
        found = version_for(self.actor, organization, name, version)
        request_verification(actor=self.actor, version=found)
        return Response(version_document(self.actor, found), status=202)


class SigningKeysView(ActorView):
    """The marketplace's public keys; clients pin them at their first login."""

    @extend_schema(
        operation_id="list_signing_keys",
        tags=["experiences"],
        responses={200: Keys, **refusals()},
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, exclude=True)],
    )
    def get(self, request: Request) -> Response:
        fields = ("key_id", "public_key", "not_before", "retired_at", "signed_by", "revoked_at", "revocation")
        return Response({"keys": [{name: getattr(key, name) for name in fields} for key in offer_keys()]})

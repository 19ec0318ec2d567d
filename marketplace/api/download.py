"""The bytes of a licensed package."""

from __future__ import annotations

from pathlib import Path

from django.http import FileResponse, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.utils.http import parse_etags
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiences.access import version_for
from experiences.blobs import open_blob
from experiences.models import Version
from licensing.services.mark_copy import marked_copy
from marketplace.access import Entitlement
from marketplace.api.base import View, problems
from marketplace.services.download import decide_download

CONTENT_TYPE = "application/gzip"


class EntitlementShape(serializers.Serializer[object]):
    experience = serializers.CharField(help_text="organization/name")
    version = serializers.CharField()
    digest = serializers.CharField()
    size_bytes = serializers.IntegerField()
    license = serializers.CharField(help_text="The grant, or 'own'.")


class PackageView(View):
    """The published bytes, marked as the license's copy; ``latest`` is a version. HEAD and a known ETag are free."""

    @extend_schema(
        operation_id="download_package",
        tags=["experiences"],
        parameters=[
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="An ETag you already have."),
            OpenApiParameter(
                "Keiken-Digest", str, OpenApiParameter.HEADER, response=[200], description="sha256:… of the bytes."
            ),
            OpenApiParameter(
                "Keiken-License", str, OpenApiParameter.HEADER, response=[200], description="The grant, or 'own'."
            ),
        ],
        responses={
            (200, CONTENT_TYPE): OpenApiTypes.BINARY,
            304: None,
            **problems(401, 403, 404),
        },
    )
    def get(self, request: Request, organization: str, name: str, version: str) -> HttpResponseBase:
        actor = self.actor
        found = version_for(actor, organization, name, version)
        known = _is_known(request, found)
        allowed = decide_download(actor=actor, version=found, metered=not known)
        if known:
            return _with_headers(HttpResponseNotModified(), found, allowed)
        copy = _copy(found, allowed)
        file = copy.open("rb") if copy is not None else open_blob(found.blob_id)
        body = FileResponse(file, content_type=CONTENT_TYPE)
        body.headers["Content-Disposition"] = f'attachment; filename="{found.experience.name}-{found.version}.tar.gz"'
        return _with_headers(body, found, allowed, copy)

    @extend_schema(exclude=True)
    def head(self, request: Request, organization: str, name: str, version: str) -> HttpResponseBase:
        actor = self.actor
        found = version_for(actor, organization, name, version)
        allowed = decide_download(actor=actor, version=found, metered=False)
        return _with_headers(HttpResponse(content_type=CONTENT_TYPE), found, allowed, _copy(found, allowed))


class EntitlementView(View):
    """Whether you may have the package now, without fetching it. It stands in the audit trail like a download."""

    @extend_schema(
        operation_id="get_entitlement",
        tags=["experiences"],
        responses={200: EntitlementShape, **problems(401, 402, 403, 404)},
    )
    def get(self, request: Request, organization: str, name: str, version: str) -> Response:
        actor = self.actor
        found = version_for(actor, organization, name, version)
        allowed = decide_download(actor=actor, version=found)
        return Response(
            {
                "experience": str(found.experience),
                "version": found.version,
                "digest": found.blob_id,
                "size_bytes": found.blob.size_bytes,
                "license": str(allowed.grant.id) if allowed.grant else "own",
            }
        )


def _is_known(request: Request, version: Version) -> bool:
    wanted = parse_etags(request.headers.get("If-None-Match", ""))
    return f'"{version.blob_id}"' in wanted or f'W/"{version.blob_id}"' in wanted


def _copy(version: Version, allowed: Entitlement) -> Path | None:
    return marked_copy(version.blob_id, allowed.grant.pk) if allowed.grant else None


def _with_headers(
    response: HttpResponseBase, version: Version, allowed: Entitlement, copy: Path | None = None
) -> HttpResponseBase:
    # Each license's copy has other bytes with the same meaning: that is what a weak ETag says.
    response.headers["ETag"] = f'W/"{version.blob_id}"' if allowed.grant else f'"{version.blob_id}"'
    response.headers["Keiken-Digest"] = version.blob_id
    response.headers["Keiken-License"] = str(allowed.grant.id) if allowed.grant else "own"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if response.status_code == 200:
        size = copy.stat().st_size if copy is not None else version.blob.size_bytes
        response.headers["Content-Length"] = str(size)
    return response

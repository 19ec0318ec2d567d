"""The proofs: one verification step by step, its attestation, the matrix of environments, and the badge."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_safe

from accounts.actors import ANONYMOUS
from accounts.domain.refusals import NotFound, Refusal
from experiences.access import may_see_evidence, version_for, visible_experiences
from experiences.evidence import Proof, done_verifications, environment_before, outlined, proofs
from experiences.models import Version
from experiences.public_log import signed_facts
from marketplace import drawing
from marketplace import proofs as shown
from marketplace.pages.base import acting, page

BADGE_SECONDS = 300


@require_safe
@page
def verification(request: HttpRequest, organization: str, name: str, version: str, number: UUID) -> HttpResponse:
    """Every scenario of one concluded verification, step by step as far as the reader may see it."""
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    proof = _proof(found, number)
    if proof is None:
        if found.verifications.filter(pk=number).exists():
            return redirect("live", organization, name, found.version, number)
        raise NotFound(_("verification"))
    is_full = may_see_evidence(actor, found.experience)
    row = proof.verification
    context = {
        "section": "browse",
        "experience": found.experience,
        "name": str(found.experience),
        "version": found,
        "version_url": reverse("version", args=[organization, name, found.version]),
        "row": row,
        "changed_from": environment_before(row),
        "attestation": getattr(row, "attestation", None),
        "signed": signed_facts(row.attestation) if hasattr(row, "attestation") else None,
        "is_full": is_full,
        "scenarios": (proof if is_full else outlined(proof)).scenarios,
        "evidence_command": f"keiken show {found.experience}@{found.version} --evidence {row.environment_name}",
    }
    return render(request, "marketplace/verification.html", context)


def _proof(version: Version, number: UUID) -> Proof | None:
    return next(iter(proofs(done_verifications(version).filter(pk=number))), None)


@require_safe
@page
def attestation(request: HttpRequest, organization: str, name: str, version: str, number: UUID) -> HttpResponse:
    """The signed statement as a file: a DSSE envelope, as it was signed."""
    found = version_for(acting(request), organization, name, version)
    row = done_verifications(found).filter(pk=number, attestation__isnull=False).first()
    if row is None:
        raise NotFound(_("attestation"))
    body = json.dumps(row.attestation.envelope, indent=2, sort_keys=True) + "\n"
    response = HttpResponse(body, content_type="application/vnd.dsse.envelope.v1+json")
    file = f"{organization}-{name}-{found.version}-{row.environment_name}.intoto.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{file}"'
    return response


@require_safe
@page
def matrix(request: HttpRequest) -> HttpResponse:
    """Where the experiences hold: the latest version of each against every environment it was tried in."""
    actor = acting(request)
    organization, after = request.GET.get("organization", "")[:64], request.GET.get("after", "")
    start = int(after) if after.isascii() and after.isdecimal() and len(after) < 15 else 0
    versions = shown.listed_versions(visible_experiences(actor), organization=organization, after=start)
    kept = versions[: shown.MATRIX_EXPERIENCES]
    query = {"organization": organization} if organization else {}
    context = {
        "section": "browse",
        "organization_slug": organization,
        "matrix": shown.Verdicts(kept).matrix(),
        "first_query": urlencode(query) if start else None,
        "next_query": urlencode({**query, "after": kept[-1].experience_id}) if len(versions) > len(kept) else "",
    }
    return render(request, "marketplace/matrix.html", context)


@require_safe
def badge(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    """The same picture for everybody, whoever asks: a private experience has none. ``?lang=ja`` for Japanese."""
    language = request.GET.get("lang", "en")
    try:
        version = version_for(ANONYMOUS, organization, name, "latest")
    except Refusal as refusal:
        raise Http404 from refusal
    with override(language if language in dict(settings.LANGUAGES) else "en"):
        drawn = _badge(version)
    tag = f'"{hashlib.sha256(drawn).hexdigest()[:32]}"'
    matches = tag in request.headers.get("If-None-Match", "")
    response = HttpResponseNotModified() if matches else HttpResponse(drawn, content_type="image/svg+xml")
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = f"public, max-age={BADGE_SECONDS}"
    # It is made to be shown on other sites, unlike everything else here.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def badge_words() -> dict[shown.Badge, str]:
    return {
        "passed": _("verified"),
        "failed": _("failing"),
        "flaky": _("flaky"),
        "unverified": _("not verified"),
        "expired": _("proof expired"),
    }


def _badge(version: Version) -> bytes:
    words = badge_words()
    state = shown.badge_of(version)
    title = _("Keiken: {name} {version}, {state}").format(
        name=version.experience, version=version.version, state=words[state]
    )
    return drawing.badge("Keiken", state, words[state], title=title)

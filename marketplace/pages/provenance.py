"""Where one version comes from and what was signed about it; and the lasting address of its bytes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from experiences.access import version_by_digest, version_for
from marketplace import provenance as told
from marketplace.pages.base import acting, page


@require_safe
@page
def provenance(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    found = version_for(acting(request), organization, name, version)
    context = {
        "section": "browse",
        "experience": found.experience,
        "name": str(found.experience),
        "version": found,
        "published_by": told.public_name(found),
        "origin": told.origin_lines(found.manifest),
        "statements": told.signed_statements(found),
        "others": told.independent_statements(found),
        "summary": told.newest_summary(found),
        "keys": told.signing_keys(),
    }
    return render(request, "marketplace/provenance.html", context)


@require_safe
@page
def by_digest(request: HttpRequest, digest: str) -> HttpResponse:
    """To the version that has these bytes. The address lasts: a version never changes, nor does its digest."""
    found = version_by_digest(acting(request), digest)
    return redirect("version", found.experience.organization.slug, found.experience.name, found.version)

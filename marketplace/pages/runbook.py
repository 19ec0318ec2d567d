"""A version as a runbook: to be printed, followed by hand, and ticked off."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from experiences.access import version_for
from marketplace.pages.base import acting, page
from marketplace.pages.browse import session_facts
from marketplace.procedure import procedure
from marketplace.services.read_runbook import read_runbook


@require_safe
@page
def runbook(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    """For the publisher and whoever has a license; others are told how to get one."""
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    files = read_runbook(actor=actor, version=found)
    context = {
        "section": "browse",
        "experience": found.experience,
        "name": str(found.experience),
        "version": found,
        "files": files,
        "secrets": found.manifest.get("secrets") or [],
        "printed_at": timezone.now(),
        **procedure(found, session_facts(request)),
    }
    response = render(request, "marketplace/runbook.html", context)
    response.headers["Cache-Control"] = "private, no-store"
    return response

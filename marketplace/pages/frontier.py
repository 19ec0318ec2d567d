"""What a publisher does on the page of a version: have its conditions tried, take a proposal over."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from experiences.access import may_see_evidence, version_for
from experiences.services.explore_frontier import request_frontier
from marketplace.frontier import proposal_rows, sheets
from marketplace.pages.base import acting, page
from marketplace.services.accept_proposal import accept_proposal


@require_safe
@page
def shown(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    """Everything that was tried, as far as the reader may see it, and for the publisher what is proposed."""
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    may_publish = actor.acts_for(found.experience.organization_id) and "publish" in actor.scopes
    context = {
        "section": "browse",
        "experience": found.experience,
        "name": str(found.experience),
        "version": found,
        "frontier": sheets(found, is_full=may_see_evidence(actor, found.experience)),
        "proposals": proposal_rows(found) if may_publish else [],
        "may_publish": may_publish,
        "is_whole": True,
    }
    return render(request, "marketplace/frontier.html", context)


@require_POST
@page
def explore(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    request_frontier(actor=actor, version=found)
    messages.success(request, _("The conditions are tried as soon as a worker has nothing more urgent to do."))
    return redirect("frontier", organization, name, found.version)


@require_POST
@page
def accept(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    made = accept_proposal(actor=actor, version=found, key=request.POST.get("key", ""))
    messages.success(request, _("Version {version} is published and will be proven.").format(version=made.version))
    return redirect("version", organization, name, made.version)

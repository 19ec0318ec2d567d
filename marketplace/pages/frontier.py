"""What a publisher does on the page of a version: have its conditions tried, take a proposal over."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from experiences.access import version_for
from experiences.services.explore_frontier import request_frontier
from marketplace.pages.base import acting, page
from marketplace.services.accept_proposal import accept_proposal


@require_POST
@page
def explore(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    request_frontier(actor=actor, version=found)
    messages.success(request, _("The conditions are tried as soon as a worker has nothing more urgent to do."))
    return redirect("version", organization, name, found.version)


@require_POST
@page
def accept(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    made = accept_proposal(actor=actor, version=found, key=request.POST.get("key", ""))
    messages.success(request, _("Version {version} is published and will be proven.").format(version=made.version))
    return redirect("version", organization, name, made.version)

"""One's own experiences: versions with their states, withdrawing and putting back, and the map of the field."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import organization_for
from accounts.domain.refusals import NotFound, Refusal
from experiences.access import version_for
from experiences.services.yank import unyank, yank
from marketplace.drawing import shares
from marketplace.pages.base import acting, page
from marketplace.pages.frame import organization_frame
from marketplace.publishing import map_of_field, own_experience, version_states


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def published_experience(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    experience = own_experience(actor, organization, name)
    problem = None
    if request.method == "POST":
        version = version_for(actor, slug, name, request.POST.get("version", "")[:64])
        try:
            if request.POST.get("do") == "yank":
                yank(actor=actor, version=version, reason=request.POST.get("reason", ""))
                messages.success(request, _("{version} is withdrawn.").format(version=version.version))
            elif request.POST.get("do") == "unyank":
                unyank(actor=actor, version=version)
                messages.success(request, _("{version} is in the listing again.").format(version=version.version))
            else:
                raise NotFound(_("action"))
            return redirect("organization_experience", slug, name)
        except Refusal as refusal:
            if refusal.status != 422:
                raise
            problem = refusal
    wanted = request.GET.get("version", "")[:64]
    chosen = version_for(actor, slug, name, wanted) if wanted else None
    maps, count = map_of_field(experience, chosen)
    context: dict[str, Any] = {
        **organization_frame(actor, organization, "experiences"),
        "experience": experience,
        "versions": version_states(experience),
        "chosen": chosen,
        "maps": [
            {"map": item, "cells": [(cell, shares(cell.succeeded, cell.troubled)) for cell in item.cells]}
            for item in maps
        ],
        "reports": count,
        "may_publish": actor.acts_for(organization.pk) and "publish" in actor.scopes,
        "problem": problem,
    }
    return render(request, "accounts/organization_experience.html", context, status=problem.status if problem else 200)

"""Environment profiles of an organization: kept, looked at, and used for the searches of this session."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import selectors
from accounts.access import organization_for, profile_for
from accounts.actors import Actor
from accounts.domain.refusals import NotFound, Refusal
from accounts.models import EnvironmentProfile, Organization
from accounts.services.change_profile import change_profile
from accounts.services.delete_profile import delete_profile
from accounts.services.save_profile import save_profile
from marketplace.facts import read_facts
from marketplace.pages.base import acting, page
from marketplace.pages.browse import FACTS_SHOWN, keep_facts
from marketplace.pages.frame import organization_frame

GIVEN_LIMIT = 400
"""Of a refused form at most so much of a name or note is shown again."""


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def profiles(request: HttpRequest, slug: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    problem = None
    if request.method == "POST":
        try:
            row = _save(request, actor, organization)
        except Refusal as refusal:
            problem = refusal
        else:
            messages.success(request, _("The profile {name} is kept.").format(name=row.name))
            return redirect("organization_profiles", slug)
    rows = list(selectors.profiles_of(organization))
    context = {
        **organization_frame(actor, organization, "profiles"),
        "profiles": [{"row": row, "shown": _shown(row)} for row in rows],
        "may_save": _may_save(actor, organization),
        "problem": problem,
        "given": {name: request.POST.get(name, "")[:GIVEN_LIMIT] for name in ("name", "note")},
    }
    return render(request, "accounts/organization_profiles.html", context, status=problem.status if problem else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def profile(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """One profile with all its facts; a POST uses, renames or deletes it."""
    actor = acting(request)
    organization = organization_for(actor, slug)
    row = profile_for(organization, name)
    problem = None
    if request.method == "POST":
        try:
            return _change(request, actor, row)
        except Refusal as refusal:
            if refusal.status in (403, 404):
                raise
            problem = refusal
    context = {
        **organization_frame(actor, organization, "profiles"),
        "profile": row,
        "facts": sorted(row.facts.items()),
        "may_save": _may_save(actor, organization),
        "problem": problem,
    }
    return render(request, "accounts/organization_profile.html", context, status=problem.status if problem else 200)


def _save(request: HttpRequest, actor: Actor, organization: Organization) -> EnvironmentProfile:
    actor.require("report", organization.pk)
    facts = read_facts(request.POST.get("facts", ""))
    name, note = request.POST.get("name", "").strip(), request.POST.get("note", "")
    return save_profile(actor=actor, organization=organization, name=name, facts=facts, note=note)[0]


def _change(request: HttpRequest, actor: Actor, row: EnvironmentProfile) -> HttpResponse:
    wanted = request.POST.get("do")
    if wanted == "use":
        keep_facts(request, row.facts, row.name)
        return redirect("browse")
    if wanted == "delete":
        delete_profile(actor=actor, profile=row)
        messages.success(request, _("The profile {name} is deleted.").format(name=row.name))
        return redirect("organization_profiles", row.organization.slug)
    if wanted == "change":
        name, note = request.POST.get("name", "").strip(), request.POST.get("note", "")
        changed = change_profile(actor=actor, profile=row, name=name, note=note)
        messages.success(request, _("The profile is changed."))
        return redirect("organization_profile", row.organization.slug, changed.name)
    raise NotFound(_("action"))


def _shown(row: EnvironmentProfile) -> list[tuple[str, Any]]:
    return [(key, row.facts[key]) for key in FACTS_SHOWN if key in row.facts]


def _may_save(actor: Actor, organization: Organization) -> bool:
    return actor.acts_for(organization.pk) and "report" in actor.scopes

"""Offers: the exact terms to read and accept, and the form by which a publisher makes one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.actors import Actor
from accounts.domain.refusals import NotFound, Refusal
from experiences.access import experience_for
from experiences.models import Experience
from licensing.models import Offer
from licensing.selectors import grant_of, offers_of
from licensing.services.accept_offer import accept_offer
from licensing.services.create_offer import create_offer
from licensing.services.create_terms import create_terms
from marketplace.pages.base import acting, page
from marketplace.pages.forms import OfferForm


@require_http_methods(["GET", "HEAD", "POST"])
@page
def offer(request: HttpRequest, organization: str, name: str, offer_id: UUID) -> HttpResponse:
    actor = acting(request)
    experience = experience_for(actor, organization, name)
    found = _offer(actor, experience, offer_id)
    problem = ""
    if request.method == "POST":
        actor.require("license")
        if request.POST.get("agree"):
            accept_offer(actor=actor, offer_id=found.id, terms_sha256=request.POST.get("terms_sha256", ""))
            messages.success(request, _("Accepted. Your organization may download and replay it now."))
            return redirect("experience", organization, name)
        problem = _("Please confirm that you accept the text.")
    context = {
        "section": "browse",
        "experience": experience,
        "name": str(experience),
        "offer": found,
        "granted": actor.is_known and grant_of(actor, experience) is not None,
        "may_accept": "license" in actor.scopes,
        "problem": problem,
    }
    return render(request, "marketplace/offer.html", context, status=422 if problem else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_offer(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    actor = acting(request)
    experience = experience_for(actor, organization, name)
    actor.require("publish", experience.organization_id)
    form = OfferForm(request.POST or None)
    context: dict[str, Any] = {"section": "browse", "experience": experience, "name": str(experience), "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            _publish(actor, experience, form.cleaned_data)
        except Refusal as refusal:
            context["problem"] = refusal
            return render(request, "marketplace/new_offer.html", context, status=refusal.status)
        messages.success(request, _("The offer is published."))
        return redirect("experience", organization, name)
    return render(request, "marketplace/new_offer.html", context, status=422 if form.errors else 200)


def _publish(actor: Actor, experience: Experience, wanted: dict[str, Any]) -> None:
    terms = create_terms(
        actor=actor,
        organization=experience.organization,
        name=wanted["name"],
        kind="spdx" if wanted["spdx"] else "custom",
        spdx=wanted["spdx"],
        text=wanted["text"],
        uses=wanted["uses"],
    )
    create_offer(actor=actor, experience=experience, terms=terms, kind=wanted["kind"], grant_days=wanted["grant_days"])


def _offer(actor: Actor, experience: Experience, offer_id: UUID) -> Offer:
    found = next((item for item in offers_of(experience, actor) if item.id == offer_id), None)
    if found is None:
        raise NotFound(_("offer"))
    return found

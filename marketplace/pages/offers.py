"""Offers: the exact terms to read and accept, and the form by which a publisher makes one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.actors import Actor
from accounts.domain.refusals import NotFound, Refusal
from experiences.access import experience_for
from experiences.models import Experience
from licensing.access import recipients_named
from licensing.domain.rules import read_rules
from licensing.domain.templates import TEMPLATES
from licensing.models import Offer, Terms
from licensing.offered import is_ordered
from licensing.selectors import grant_of, offers_of
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.create_terms import create_terms
from licensing.services.crediting import credit_for
from licensing.services.decide_request import MESSAGE_LIMIT
from licensing.sold import request_of
from marketplace.pages import buying
from marketplace.pages.base import acting, page
from marketplace.pages.offer_form import PRICING, RULES, OfferForm, initial_of
from marketplace.prices import quote_of
from marketplace.skill import render_skill


@require_http_methods(["GET", "HEAD", "POST"])
@page
def offer(request: HttpRequest, organization: str, name: str, offer_id: UUID) -> HttpResponse:
    actor = acting(request)
    experience = experience_for(actor, organization, name)
    found = _offer(actor, experience, offer_id)
    problem, refused = "", None
    if request.method == "POST":
        try:
            if found.kind == Offer.Kind.REQUEST and "message" in request.POST:
                return buying.ask(request, actor, found)
            actor.require("license")
            if request.POST.get("agree"):
                return buying.take(request, actor, experience, found)
            problem = _("Please confirm that you accept the text.")
        except Refusal as refusal:
            refused = refusal
    held = grant_of(actor, experience) if actor.is_known else None
    credit = _credit(actor, found) if held is not None and held.acceptance.offer_id != found.pk else None
    context = {
        "section": "browse",
        "experience": experience,
        "name": str(experience),
        "offer": found,
        "bundled": found.bundled.all(),
        "texts": _texts(found.terms),
        "rules": read_rules(found.terms.rules),
        "quote": quote_of(found, credit_minor=credit or 0),
        "by_invoice": settings.KEIKEN.payments == "invoice",
        "asked": request_of(actor, found) if found.kind == Offer.Kind.REQUEST else None,
        "granted": held is not None,
        "replaces": credit is not None,
        "may_accept": "license" in actor.scopes,
        "problem": problem,
        "refused": refused,
        "message": request.POST.get("message", "")[:MESSAGE_LIMIT],
        "coupon": request.POST.get("coupon", "")[:40],
    }
    status = refused.status if refused else 422 if problem else 200
    return render(request, "marketplace/offer.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_offer(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    actor = acting(request)
    experience = experience_for(actor, organization, name)
    actor.require("publish", experience.organization_id)
    template = TEMPLATES.get(request.GET.get("template", ""))
    form = OfferForm(request.POST or None, initial=initial_of(template, experience.organization.name))
    context: dict[str, Any] = {
        "section": "browse",
        "experience": experience,
        "name": str(experience),
        "form": form,
        "templates": TEMPLATES.values(),
        "language": get_language(),
    }
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
    recipients = recipients_named(wanted["recipients"])
    bundled = [experience_for(actor, *name) for name in wanted["bundled"]]
    terms = create_terms(
        actor=actor,
        organization=experience.organization,
        name=wanted["name"],
        kind="spdx" if wanted["spdx"] else "custom",
        spdx=wanted["spdx"],
        text=wanted["text"],
        text_ja=wanted["text_ja"],
        rules={name: wanted[name] for name in RULES},
        uses=wanted["uses"],
    )
    create_offer(
        actor=actor,
        experience=experience,
        terms=terms,
        kind=wanted["kind"],
        grant_days=wanted["grant_days"],
        pricing=Pricing(**{name: wanted[name] for name in PRICING}),
        recipients=recipients,
        bundled=bundled,
    )


def _texts(terms: Terms) -> list[tuple[str, str, str]]:
    """``(language, text, HTML)``, the reader's language first. A license by its SPDX expression is plain text."""
    texts = [("en", terms.text), *([("ja", terms.text_ja)] if terms.text_ja else [])]
    texts.sort(key=lambda row: row[0] != get_language())
    is_markdown = terms.kind == Terms.Kind.CUSTOM
    return [(language, text, render_skill(text) if is_markdown else "") for language, text in texts]


def _credit(actor: Actor, offer: Offer) -> int | None:
    """What buying the offer now is lowered by for the license that it replaces; None where it cannot be bought."""
    if not is_ordered(offer) or actor.organization_id is None:
        return None
    try:
        return credit_for(organization_id=actor.organization_id, offer=offer)
    except Refusal:
        return 0  # ordering it says why


def _offer(actor: Actor, experience: Experience, offer_id: UUID) -> Offer:
    found = next((item for item in offers_of(experience, actor) if item.id == offer_id), None)
    if found is None:
        raise NotFound(_("offer"))
    return found

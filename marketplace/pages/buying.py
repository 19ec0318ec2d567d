"""Buying, asking, and what became of an order. A click orders; a second click is the same order."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import organization_for
from accounts.actors import Actor
from accounts.domain.refusals import NotFound
from experiences.models import Experience
from licensing.invoices import invoice_of
from licensing.models import Offer
from licensing.offered import is_ordered
from licensing.services.accept_offer import accept_offer
from licensing.services.change_order import cancel_order
from licensing.services.decide_request import ask_for_access
from licensing.services.place_order import place_order
from licensing.sold import order_for
from marketplace.pages.base import acting, page
from marketplace.pages.frame import organization_frame
from marketplace.pages.sales import pdf


def take(request: HttpRequest, actor: Actor, experience: Experience, offer: Offer) -> HttpResponse:
    """Accept, order or ask, as the offer's kind wants it. The terms are agreed to. Raises Refusal."""
    terms_sha256 = request.POST.get("terms_sha256", "")
    if is_ordered(offer):
        return _order(request, actor, offer, terms_sha256)
    accept_offer(actor=actor, offer_id=offer.id, terms_sha256=terms_sha256)
    messages.success(request, _("Accepted. Your organization may download and replay it now."))
    return redirect("experience", experience.organization.slug, experience.name)


def ask(request: HttpRequest, actor: Actor, offer: Offer) -> HttpResponse:
    """Send the publisher a message. Raises Refusal."""
    ask_for_access(actor=actor, offer_id=offer.id, message=request.POST.get("message", ""))
    messages.success(request, _("Your request is sent. The publisher decides."))
    return redirect(request.path)


def _order(request: HttpRequest, actor: Actor, offer: Offer, terms_sha256: str) -> HttpResponse:
    placed = place_order(
        actor=actor,
        offer_id=offer.id,
        terms_sha256=terms_sha256,
        coupon=request.POST.get("coupon", "")[:40],
        return_url=request.build_absolute_uri(reverse("organization_licenses", args=[actor.organization_slug])),
    )
    return redirect("order", actor.organization_slug, placed.number)


@login_required
@never_cache
@require_safe
@page
def invoice(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The invoice as PDF. What is paid at Stripe has Stripe's own, in its portal."""
    actor = acting(request)
    found = order_for(actor, organization_for(actor, slug), number)
    if found.driver != "invoice":
        raise NotFound(_("invoice"))
    return pdf(invoice_of(found), f"{found}.pdf")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def order(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One order: its amounts and state, what happens next, and the button that ends it."""
    actor = acting(request)
    organization = organization_for(actor, slug)
    found = order_for(actor, organization, number)
    if request.method == "POST":
        cancel_order(actor=actor, order_id=found.pk)
        messages.success(request, _("It is ended. What was paid for stays until its end."))
        return redirect("order", slug, number)
    is_running = found.state == "paid" and bool(found.offer.interval) and not found.ends_with_period
    context: dict[str, Any] = {
        **organization_frame(actor, organization, "licenses"),
        "order": found,
        "may_cancel": "purchase" in actor.scopes and (found.state == "open" or is_running),
    }
    return render(request, "accounts/order.html", context)

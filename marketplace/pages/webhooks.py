"""Webhooks of an organization: for its owners. A new secret is in the one answer that made it and nowhere else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import selectors
from accounts.access import delivery_for, organization_for, webhook_for
from accounts.actors import Actor
from accounts.domain.events import EVENTS
from accounts.domain.refusals import NotFound, Refusal
from accounts.models import Organization, Webhook
from accounts.paging import page as page_of
from accounts.services.change_webhook import change_webhook, delete_webhook, rotate_secret
from accounts.services.create_webhook import create_webhook
from accounts.services.resend_webhook import redeliver, send_test
from marketplace.pages.base import acting, page
from marketplace.pages.frame import organization_frame
from marketplace.pages.identifiers import row_number

DELIVERIES_SHOWN = 25


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    actor.require("admin", organization.pk)
    chosen = request.POST.getlist("events")
    context: dict[str, Any] = {
        **organization_frame(actor, organization, "webhooks"),
        "given_url": request.POST.get("url", "")[:500],
        "events": _choices(chosen),
    }
    status = 200
    if request.method == "POST":
        try:
            made, secret = create_webhook(
                actor=actor, organization=organization, url=request.POST.get("url", ""), kinds=chosen
            )
            context |= {"secret": secret, "made": made, "given_url": "", "events": _choices([])}
        except Refusal as refusal:
            context["problem"], status = refusal, refusal.status
    context["webhooks"] = list(selectors.webhooks_of(organization))
    return render(request, "accounts/organization_webhooks.html", context, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def webhook(request: HttpRequest, slug: str, number: UUID) -> HttpResponse:
    """One webhook with its deliveries; a POST changes it, tests it or sends something again."""
    actor = acting(request)
    organization = organization_for(actor, slug)
    found = webhook_for(actor, organization, number)
    context: dict[str, Any] = organization_frame(actor, organization, "webhooks")
    status = 200
    if request.method == "POST":
        try:
            if request.POST.get("do") == "rotate":
                found, context["secret"] = rotate_secret(actor=actor, webhook=found)
            else:
                return _change(request, actor, organization, found)
        except Refusal as refusal:
            if refusal.status == 404:
                raise
            context["problem"], status = refusal, refusal.status
    rows = page_of(selectors.deliveries_of(found), request.GET.get("cursor", "")[:200], DELIVERIES_SHOWN)
    context |= {"webhook": found, "events": _choices(found.kinds), "deliveries": rows, "next": rows.next}
    return render(request, "accounts/organization_webhook.html", context, status=status)


def _change(request: HttpRequest, actor: Actor, organization: Organization, found: Webhook) -> HttpResponse:
    wanted = request.POST.get("do")
    if wanted == "delete":
        delete_webhook(actor=actor, webhook=found)
        messages.success(request, _("The webhook is deleted."))
        return redirect("organization_webhooks", organization.slug)
    if wanted == "test":
        send_test(actor=actor, webhook=found)
        messages.success(request, _("A test is on its way. Load this page again to see how it went."))
    elif wanted == "redeliver":
        redeliver(actor=actor, delivery=delivery_for(found, row_number(request.POST.get("delivery"))))
        messages.success(request, _("It is sent again. Load this page again to see how it went."))
    elif wanted in ("on", "off"):
        change_webhook(actor=actor, webhook=found, is_active=wanted == "on")
        messages.success(request, _("The webhook is on.") if wanted == "on" else _("The webhook is off."))
    elif wanted == "change":
        url, kinds = request.POST.get("url", ""), request.POST.getlist("events")
        change_webhook(actor=actor, webhook=found, url=url, kinds=kinds)
        messages.success(request, _("The webhook is changed."))
    else:
        raise NotFound(_("action"))
    return redirect("organization_webhook", organization.slug, found.pk)


def _choices(chosen: list[str]) -> list[dict[str, Any]]:
    return [{"name": name, "label": label, "is_chosen": name in chosen} for name, label in EVENTS.items()]

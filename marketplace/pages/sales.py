"""What a publisher sells: offers, requests to decide, earnings. And the operator's invoices."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import organization_for
from accounts.actors import Actor
from accounts.domain.refusals import Invalid, NotFound, Refusal
from accounts.models import Organization
from licensing import sold
from licensing.domain.bookkeeping import in_words
from licensing.domain.statements import month_named
from licensing.invoices import statement_sheet
from licensing.services.create_coupon import create_coupon, end_coupon
from licensing.services.create_offer import CURRENCIES
from licensing.services.decide_request import decide_request
from licensing.services.record_invoice import record_invoice
from licensing.services.withdraw_offer import withdraw_offer
from licensing.sheets import Sheet
from marketplace.pages.base import acting, page
from marketplace.pages.frame import organization_frame
from marketplace.plots import bars


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def sales(request: HttpRequest, slug: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    problem = None
    if request.method == "POST":
        try:
            messages.success(request, _change(request, actor, organization))
            return redirect("organization_sales", slug)
        except Refusal as refusal:
            problem = refusal
    earnings = sold.earnings_of(organization)
    context = {
        **organization_frame(actor, organization, "sales"),
        "offers": sold.offers_made(organization),
        "requests": sold.requests_to(organization),
        "earnings": earnings,
        "plots": _plots(earnings),
        "owed": sold.owed_to(organization),
        "coupons": sold.coupons_of(organization),
        "currencies": CURRENCIES,
        "may_decide": "publish" in actor.scopes,
        "problem": problem,
    }
    return render(request, "accounts/organization_sales.html", context, status=problem.status if problem else 200)


@login_required
@never_cache
@require_safe
@page
def statement(request: HttpRequest, slug: str, month: str, ending: str) -> HttpResponse:
    """The organization's lines of the ledger in one month, to download."""
    organization = organization_for(acting(request), slug)
    try:
        first = month_named(month)
        if ending == "pdf":
            return pdf(statement_sheet(organization, first), f"{slug}-{month}.pdf")
        text = sold.statement_of(organization, first)
    except ValueError:
        raise NotFound(_("statement")) from None
    headers = {"Content-Disposition": f'attachment; filename="{slug}-{month}.csv"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def pdf(sheet: Sheet, name: str) -> HttpResponse:
    from licensing.paper import pdf_of  # the libraries for it are large, and most processes never draw

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(pdf_of(sheet), content_type="application/pdf", headers=headers)


def _change(request: HttpRequest, actor: Actor, organization: Organization) -> str:
    """What was done, in words. Raises Refusal."""
    wanted = request.POST.get("do")
    if wanted == "withdraw":
        withdraw_offer(actor=actor, offer_id=request.POST.get("offer", ""))
        return _("The offer is withdrawn. Licenses given on it stay.")
    if wanted in ("approve", "decline"):
        decide_request(
            actor=actor,
            request_id=request.POST.get("request", ""),
            approve=wanted == "approve",
            answer=request.POST.get("answer", ""),
        )
        return _("Your decision is kept. The organization reads your answer with the offer.")
    if wanted == "coupon":
        create_coupon(actor=actor, organization=organization, **_coupon_values(request))
        return _("The coupon can be used now.")
    if wanted == "end_coupon":
        end_coupon(actor=actor, organization=organization, code=request.POST.get("code", ""))
        return _("The coupon is ended. Orders placed with it stay.")
    raise NotFound(_("action"))


def _coupon_values(request: HttpRequest) -> dict[str, Any]:
    """What the form holds, for ``create_coupon``. Raises Invalid ``coupon_invalid``."""
    off, limit, unit = (request.POST.get(name, "").strip() for name in ("off", "redemptions_limit", "currency"))
    if not _is_number(off) or (limit and not _is_number(limit)):
        raise Invalid("coupon_invalid", _("What a coupon takes off is a whole number."), _("Nothing was kept."))
    amount = {"amount_off_minor": int(off), "currency": unit} if unit else {"percent_off": int(off)}
    return {"code": request.POST.get("code", ""), "redemptions_limit": int(limit) if limit else None, **amount}


def _plots(earnings: list[dict[str, Any]]) -> list[Any]:
    """One plot for each currency: amounts of two currencies have no common axis."""
    drawn = []
    for currency in sorted({row["currency"] for row in earnings}):
        rows = [row for row in earnings if row["currency"] == currency][: sold.MONTHS_SHOWN][::-1]
        cells = [
            (f"{row['month']:%Y-%m}"[2:], f"{row['month']:%Y-%m}: {in_words(row['earned_minor'], currency)}",
             int(row["earned_minor"]))
            for row in rows
        ]  # fmt: skip
        drawn.append(bars(cells, _("Earnings by month in {currency}").format(currency=currency)))
    return drawn


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def invoices(request: HttpRequest) -> HttpResponse:
    """Orders by invoice: the operator says what the bank has seen."""
    actor = acting(request)
    rows = sold.orders_by_invoice(actor)
    problem = None
    if request.method == "POST":
        try:
            _record(request, actor)
            return redirect("operator_invoices")
        except Refusal as refusal:
            problem = refusal
    context = {"section": "operator", "orders": rows, "problem": problem}
    return render(request, "marketplace/invoices.html", context, status=problem.status if problem else 200)


def _record(request: HttpRequest, actor: Actor) -> None:
    number, amount = (request.POST.get(name, "") for name in ("number", "amount_minor"))
    kind = request.POST.get("kind", "")
    if kind not in ("paid", "refunded") or not _is_number(number) or not _is_number(amount):
        raise Invalid("amount_invalid", _("An invoice and an amount are whole numbers."), _("Nothing was kept."))
    order = record_invoice(
        actor=actor,
        number=int(number),
        kind="paid" if kind == "paid" else "refunded",
        amount_minor=int(amount),
        reference=request.POST.get("reference", "")[:100],
    )
    messages.success(request, f"{order}: {order.get_state_display()}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 13


def policy_values(request: HttpRequest, organization: Organization) -> dict[str, Any]:
    """What the form of the budget holds, for ``set_policy``. Raises Invalid ``policy_invalid``."""
    amount = request.POST.get("agent_month_minor", "")
    if not _is_number(amount):
        raise Invalid("policy_invalid", _("A budget is a whole number of minor units."), _("Nothing was changed."))
    names = request.POST.get("publishers", "")[:2000].split(",")
    return {
        "organization": organization,
        "agent_month_minor": int(amount),
        "currency": request.POST.get("currency", ""),
        "publishers": [name.strip() for name in names if name.strip()],
    }

"""Reading orders, requests, seats and earnings for the people of one organization, and for the operator."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any

from django.db.models import Case, Count, Q, QuerySet, Sum, When
from django.db.models.functions import TruncMonth
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, NotFound
from accounts.models import Organization
from licensing.domain.periods import month_of
from licensing.domain.statements import csv_of
from licensing.models import (
    AccessRequest,
    BillingDetails,
    CountedReplay,
    Coupon,
    Grant,
    LedgerLine,
    Offer,
    Order,
    PurchasePolicy,
    Seat,
)

SHOWN = 200
MONTHS_SHOWN = 12


def order_for(actor: Actor, organization: Organization, number: int) -> Order:
    """An order that the organization made. Raises NotFound."""
    found = _orders().filter(number=number, organization=organization).first()
    if found is None or not actor.acts_for(organization.pk):
        raise NotFound(_("order"))
    return found


def orders_of(organization: Organization) -> list[Order]:
    """What it bought, newest first."""
    return list(_orders().filter(organization=organization).order_by("-number")[:SHOWN])


def orders_by_invoice(actor: Actor) -> list[Order]:
    """Every order by invoice, unpaid ones first. Raises Forbidden ``operator_only``."""
    if not actor.is_operator:
        raise Forbidden("operator_only", _("Only the operator of this marketplace sees all invoices."), "")
    rows = _orders().filter(driver="invoice").annotate(rank=_first(state=Order.State.OPEN))
    return list(rows.order_by("rank", "-number")[:SHOWN])


def requests_to(organization: Organization) -> list[AccessRequest]:
    """Requests for its offers, waiting ones first."""
    rows = AccessRequest.objects.filter(offer__experience__organization=organization)
    rows = rows.select_related("organization", "offer__experience__organization")
    rows = rows.annotate(rank=_first(state=AccessRequest.State.WAITING))
    return list(rows.order_by("rank", "-created_at")[:SHOWN])


def request_of(actor: Actor, offer: Offer) -> AccessRequest | None:
    """What the actor's organization asked of an offer."""
    if actor.organization_id is None:
        return None
    return AccessRequest.objects.filter(offer=offer, organization_id=actor.organization_id).first()


def offers_made(organization: Organization) -> list[Offer]:
    """Its active offers, newest first."""
    rows = Offer.objects.filter(experience__organization=organization, is_active=True)
    return list(rows.select_related("terms", "experience__organization").order_by("-created_at", "pk")[:SHOWN])


def coupons_of(organization: Organization) -> list[tuple[Coupon, int]]:
    """Its coupons, newest first, each with how often it was redeemed."""
    used = Count("orders", filter=~Q(orders__state=Order.State.CANCELED))
    rows = Coupon.objects.filter(organization=organization).annotate(used=used).order_by("-created_at", "-pk")
    return [(row, int(row.used)) for row in rows[:SHOWN]]


def billing_of(organization: Organization) -> BillingDetails | None:
    return BillingDetails.objects.filter(organization=organization).first()


def policy_of(organization: Organization) -> PurchasePolicy | None:
    return PurchasePolicy.objects.filter(organization=organization).first()


def usage_of(grants: list[Grant]) -> dict[Any, dict[str, Any]]:
    """``{grant id: {"seats": [Seat, …], "replays": 3}}``: who sits now, what counted this month. Two queries."""
    found: dict[Any, dict[str, Any]] = {grant.pk: {"seats": [], "replays": 0} for grant in grants}
    for seat in Seat.objects.filter(grant__in=list(found), released_at__isnull=True).select_related("agent"):
        found[seat.grant_id]["seats"].append(seat)
    counted = CountedReplay.objects.filter(grant__in=list(found), month=month_of(timezone.now()))
    for row in counted.values("grant_id").annotate(count=Count("pk")):
        found[row["grant_id"]]["replays"] = row["count"]
    return found


def earnings_of(organization: Organization) -> list[dict[str, Any]]:
    """``{month, currency, earned_minor}``, newest first: what sales less refunds and the fee came to, from the ledger.

    Payouts are left out: they are what was earned before.
    """
    rows = _payable(organization).filter(transaction__payout__isnull=True)
    found = (
        rows.annotate(month=TruncMonth("transaction__at"))
        .values("month", "currency")
        .annotate(earned_minor=-Sum("amount_minor"))
        .order_by("-month", "currency")
    )
    return [{**row, "month": _first_day(row["month"])} for row in found[: MONTHS_SHOWN * 4]]


def owed_to(organization: Organization) -> list[dict[str, Any]]:
    """``{currency, owed_minor}``: what was earned and not paid out yet."""
    rows = _payable(organization).values("currency").annotate(owed_minor=-Sum("amount_minor"))
    return [dict(row) for row in rows.order_by("currency")]


def ledger_of(organization: Organization, month: date) -> list[LedgerLine]:
    """The organization's lines of one calendar month (UTC), oldest first, with their transactions."""
    lines = organization.ledger_lines.filter(transaction__at__year=month.year, transaction__at__month=month.month)
    return list(lines.select_related("transaction").order_by("transaction__at", "pk"))


def _payable(organization: Organization) -> QuerySet[LedgerLine]:
    return LedgerLine.objects.filter(organization=organization, account="payable")


def _first(**condition: str) -> Case:
    """Sorts what fulfills the condition before the rest."""
    return Case(When(**condition, then=0), default=1)


def _first_day(moment: Any) -> date:
    return date(moment.year, moment.month, 1)


def _orders() -> QuerySet[Order]:
    return Order.objects.select_related("organization", "offer__experience__organization", "offer__terms", "coupon")


def statement_of(organization: Organization, month: date) -> str:
    """The month's lines of the organization's own accounts as CSV; what is owed to it is positive here."""
    return csv_of(
        (
            line.transaction.at.astimezone(UTC).isoformat(timespec="seconds"),
            line.transaction.key,
            line.transaction.text,
            line.account,
            line.currency,
            str(-line.amount_minor),
        )
        for line in ledger_of(organization, month)
    )

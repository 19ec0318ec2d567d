"""Pay by invoice: the operator says what has arrived at the bank. The default where there are no keys of Stripe."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from licensing.domain.bookkeeping import Fact
from licensing.domain.entitling import GRACE, Facts, Subscription
from licensing.domain.periods import after_interval
from licensing.models import InvoiceEntry, Order
from licensing.payments.protocol import Started


class InvoiceProvider:
    name = "invoice"

    def start(self, order: Order, *, return_url: str) -> Started:
        return Started(external_id=str(order))

    def facts(self, order: Order) -> Facts:
        entries = list(order.invoice_entries.all())
        movements = [
            Fact(
                "payment" if entry.kind == InvoiceEntry.Kind.PAID else "refund",
                entry.reference,
                entry.amount_minor,
                entry.at,
            )
            for entry in entries
        ]
        return Facts(
            movements=movements,
            subscription=_subscription(order, movements),
            is_canceled=order.state == Order.State.CANCELED,
        )

    def refund(self, order: Order, *, amount_minor: int, key: str) -> None:
        """The operator transfers it; what is written down is that it was."""
        InvoiceEntry.objects.get_or_create(
            order=order, kind=InvoiceEntry.Kind.REFUNDED, reference=key, defaults={"amount_minor": amount_minor}
        )

    def cancel(self, order: Order) -> None:
        """Nobody sends a further invoice for it; ``ends_with_period`` on the order is all there is."""


def _subscription(order: Order, movements: list[Fact]) -> Subscription | None:
    """Each price that has come in whole pays for one interval, beginning where the last ended or when it was paid."""
    if not order.offer.interval:
        return None
    paid_minor, due_minor = 0, order.due_minor
    period_start: datetime | None = None
    period_end: datetime | None = None
    for fact in sorted(movements, key=lambda fact: (fact.at, fact.external_id)):
        paid_minor += fact.amount_minor if fact.kind == "payment" else 0
        while paid_minor >= due_minor and fact.kind == "payment":
            period_start = max(period_end, fact.at) if period_end else fact.at
            period_end = after_interval(period_start, order.offer.interval)
            paid_minor, due_minor = paid_minor - due_minor, order.total_minor
    if period_end is None:
        return _trial(order)
    return Subscription(
        status="active", period_start=period_start, period_end=period_end, ends_with_period=order.ends_with_period
    )


def _trial(order: Order) -> Subscription | None:
    """From the order on; when nothing has come by its end and a week of grace, the order waits like any other."""
    period_end = order.created_at + timedelta(days=order.trial_days)
    is_canceled = order.state == Order.State.CANCELED
    if not order.trial_days or is_canceled or period_end + GRACE <= timezone.now():
        return None
    return Subscription(status="trialing", period_end=period_end, ends_with_period=order.ends_with_period)

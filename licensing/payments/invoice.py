"""Pay by invoice: the operator says what has arrived at the bank. The default where there are no keys of Stripe."""

from __future__ import annotations

from datetime import datetime

from licensing.domain.bookkeeping import Fact
from licensing.domain.entitling import Facts, Subscription
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
    """Each full payment pays for one interval, the next beginning where the last ended or when it was paid."""
    if not order.offer.interval:
        return None
    period_end: datetime | None = None
    for fact in sorted(movements, key=lambda fact: (fact.at, fact.external_id)):
        if fact.kind == "payment":
            begins = max(period_end, fact.at) if period_end else fact.at
            period_end = after_interval(begins, order.offer.interval)
    if period_end is None:
        return None
    return Subscription(status="active", period_end=period_end, ends_with_period=order.ends_with_period)

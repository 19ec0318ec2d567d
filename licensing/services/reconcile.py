"""Every night: ask the payment provider what we did not hear, and say where the books differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from licensing.models import Offer, Order
from licensing.payments import ProviderTrouble
from licensing.services.settle_order import settle_order

LOOKED_BACK = timedelta(days=120)
"""Disputes can come for so long after a payment."""


@dataclass(frozen=True)
class Difference:
    """An order that was not as the provider has it, and is now."""

    order: str
    before: tuple[str, int]
    after: tuple[str, int]


def reconcile() -> tuple[list[Difference], list[str]]:
    """(what was made right, orders about which the provider could not be asked)."""
    since = timezone.now() - LOOKED_BACK
    goes_on = Q(offer__interval__gt="") | Q(offer__kind=Offer.Kind.METERED)
    orders = Order.objects.filter(Q(created_at__gte=since) | goes_on).exclude(state=Order.State.CANCELED)
    differences: list[Difference] = []
    unasked: list[str] = []
    for order in orders.order_by("number").iterator():
        before = (order.state, order.movements.count())
        try:
            settled = settle_order(order_id=order.pk)
        except ProviderTrouble:
            unasked.append(str(order))
            continue
        after = (settled.state, settled.movements.count())
        if before != after:
            differences.append(Difference(str(order), before, after))
    return differences, unasked

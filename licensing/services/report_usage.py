"""Counted replays that Stripe bills are told to it: each once, from its row."""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from licensing.models import CountedReplay, Offer
from licensing.payments import ProviderTrouble
from licensing.payments.metering import customer_of, tell_replay

AT_ONCE: Final = 1_000
TROUBLES: Final = 3


def report_usage() -> int:
    """The number told. Killed in between, the same replay is told again under the same name, and Stripe counts it once.

    What could not be told now waits for the next run.
    """
    waiting = CountedReplay.objects.filter(
        reported_at__isnull=True,
        grant__order__driver="stripe",
        grant__order__offer__kind=Offer.Kind.METERED,
    )
    told = 0
    customers: dict[str, str | None] = {}
    troubled: set[str] = set()
    for row in waiting.select_related("grant__order").order_by("pk")[:AT_ONCE]:
        order = row.grant.order
        if order is None or order.external_id in troubled:
            continue
        try:
            if order.external_id not in customers:
                customers[order.external_id] = customer_of(order.external_id)
            customer = customers[order.external_id]
            if customer is None:
                continue
            tell_replay(customer=customer, identifier=str(row.receipt_id), at=row.at)
        except ProviderTrouble:
            # One order's trouble holds up nobody else; trouble with three is trouble with all.
            troubled.add(order.external_id)
            if len(troubled) >= TROUBLES:
                break
            continue
        told += CountedReplay.objects.filter(pk=row.pk, reported_at__isnull=True).update(reported_at=timezone.now())
    return told

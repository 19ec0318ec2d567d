"""What replays beyond the free ones cost, once a month: an order for each license that used any."""

from __future__ import annotations

import uuid
from datetime import date

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.services import audit
from licensing.domain.bookkeeping import part_of
from licensing.domain.periods import month_of
from licensing.models import CountedReplay, Grant, Order
from licensing.services.numbering import next_number
from licensing.services.set_billing import billed_to
from licensing.services.take_seat import locked_grant


def bill_metered() -> int:
    """Bill every past month that is not billed yet. The number of orders made; running it again makes none."""
    present = month_of(timezone.now())
    unbilled = (
        CountedReplay.objects.filter(
            billed_in__isnull=True,
            month__lt=present,
            grant__acceptance__offer__kind="metered",
            grant__order__isnull=True,  # what was ordered at Stripe is billed there
        )
        .values("grant", "month")
        .annotate(count=Count("pk"))
    )
    return sum(_bill(row["grant"], row["month"]) for row in list(unbilled))


def _bill(grant_id: uuid.UUID, month: date) -> bool:
    with transaction.atomic(durable=True):
        grant = locked_grant(grant_id)
        offer = grant.acceptance.offer
        rows = CountedReplay.objects.filter(grant=grant, month=month, billed_in__isnull=True)
        paid_for = rows.count() - offer.replays_free
        if paid_for <= 0 or Order.objects.filter(acceptance=grant.acceptance, billed_month=month).exists():
            return False
        net = paid_for * offer.price_minor
        configuration = settings.KEIKEN
        order = Order.objects.create(
            number=next_number(),
            organization_id=grant.organization_id,
            offer=offer,
            acceptance=grant.acceptance,
            billed_month=month,
            driver="invoice",
            currency=offer.currency,
            net_minor=net,
            tax_minor=part_of(net, configuration.tax_basis_points),
            fee_minor=part_of(net, configuration.fee_basis_points),
            billed_to=billed_to(grant.organization_id),
        )
        rows.update(billed_in=order)
        _record(grant, order, paid_for)
    return True


def _record(grant: Grant, order: Order, replays: int) -> None:
    audit.record(
        actor=SYSTEM,
        action="order.bill",
        target=str(grant.experience),
        organization_id=grant.organization_id,
        details={"order": str(order.pk), "replays": replays, "total_minor": order.total_minor},
    )

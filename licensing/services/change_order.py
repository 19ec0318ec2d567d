"""Ending what was ordered: a buyer gives up or ends a subscription, a publisher gives money back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM, Actor
from accounts.domain.refusals import Conflict, Invalid, NotFound, Unavailable
from accounts.services import audit
from licensing.access import identifier
from licensing.domain.bookkeeping import in_words
from licensing.models import Offer, Order, Refund
from licensing.payments import ProviderTrouble, provider
from licensing.services.crediting import credited_minor
from licensing.services.settle_order import settle_order

WAITS = timedelta(days=30)
"""An order by invoice that is not paid for so long is given up, so that it holds no stock."""

KEY_LIMIT = 100


def cancel_order(*, actor: Actor, order_id: Any) -> Order:
    """An unpaid order is given up; a subscription ends with its paid period. Doing it twice changes nothing.

    Raises Unauthenticated, Forbidden, NotFound, Conflict ``order_closed``, Unavailable ``payment_unavailable``.
    """
    actor.require("purchase")
    assert actor.organization_id is not None, "the scope comes with an organization"
    order = Order.objects.filter(pk=identifier(order_id, _("order")), organization_id=actor.organization_id).first()
    if order is None:
        raise NotFound(_("order"))
    return _cancel(actor, order)


def _cancel(actor: Actor, order: Order) -> Order:
    if order.state == Order.State.CANCELED:
        return order
    goes_on = bool(order.offer.interval) or order.offer.kind == Offer.Kind.METERED
    is_running = order.state == Order.State.PAID and goes_on and order.billed_month is None
    if order.state != Order.State.OPEN and not is_running:
        raise Conflict("order_closed", _("This order is paid and done."), _("Ask the publisher for a refund."))
    try:
        provider(order.driver).cancel(order)
    except ProviderTrouble as trouble:
        raise _unavailable() from trouble
    with transaction.atomic(durable=True):
        row = Order.objects.select_for_update().get(pk=order.pk)
        if row.state == Order.State.OPEN:
            row.state = Order.State.CANCELED
        else:
            row.ends_with_period = True
        row.save(update_fields=["state", "ends_with_period"])
        audit.record(
            actor=actor,
            action="order.cancel",
            target=str(row),
            organization_id=row.organization_id,
            details={"order": str(row.pk), "ends_with_period": row.ends_with_period},
        )
    return settle_order(order_id=order.pk)


def expire_orders() -> int:
    """Give up what waited too long. The number given up."""
    old = Order.objects.filter(
        state=Order.State.OPEN, billed_month__isnull=True, created_at__lte=timezone.now() - WAITS
    )
    return sum(_cancel(SYSTEM, order).state == Order.State.CANCELED for order in list(old))


def refund_order(*, actor: Actor, number: int, amount_minor: int | None, key: str) -> Order:
    """Give all or a part back; the same ``key`` gives back once. The license follows from it.

    Raises Unauthenticated, Forbidden, NotFound, Invalid ``amount_invalid``, Unavailable ``payment_unavailable``.
    """
    actor.require("publish")
    order = Order.objects.select_related("offer__experience").filter(number=number).first()
    if order is None or not actor.acts_for(order.offer.experience.organization_id):
        raise NotFound(_("order"))
    refund = _written_down(actor, order, amount_minor, key)
    try:
        provider(order.driver).refund(order, amount_minor=refund.amount_minor, key=f"{order.pk}-{refund.key}")
    except ProviderTrouble as trouble:
        raise _unavailable() from trouble
    return settle_order(order_id=order.pk)


def _written_down(actor: Actor, order: Order, amount_minor: int | None, key: str) -> Refund:
    """The refund as a row, before the provider is asked: killed in between, the next call with the key goes on."""
    with transaction.atomic(durable=True):
        # Two refunds at once are counted one after the other.
        Order.objects.select_for_update().get(pk=order.pk)
        known = Refund.objects.filter(order=order, key=key).first()
        if known is not None:
            return known
        left = sum(
            movement.amount_minor * (1 if movement.kind == "payment" else -1)
            for movement in order.movements.filter(kind__in=["payment", "dispute_lost"])
        ) - sum(refund.amount_minor for refund in order.refunds.all())
        # What another order was lowered by has been given back already.
        left = max(0, left - credited_minor(order))
        wanted = left if amount_minor is None else amount_minor
        if not 0 < wanted <= left or not 0 < len(key) <= KEY_LIMIT:
            raise Invalid(
                "amount_invalid",
                _("Between nothing and {left} can be given back.").format(left=in_words(left, order.currency)),
                _("Check the amount; nothing was given back."),
            )
        audit.record(
            actor=actor,
            action="order.refund",
            target=str(order),
            organization_id=order.offer.experience.organization_id,
            details={"order": str(order.pk), "amount_minor": wanted, "key": key},
        )
        return Refund.objects.create(order=order, key=key, amount_minor=wanted)


def _unavailable() -> Unavailable:
    return Unavailable(
        "payment_unavailable",
        _("The payment provider cannot be reached."),
        _("Try it again in a minute; nothing was changed."),
    )

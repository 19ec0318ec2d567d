"""What a new license costs less because it replaces one that is paid for longer. The organization's row is locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.domain.refusals import Conflict
from accounts.models import Organization
from licensing.domain.bookkeeping import in_words
from licensing.domain.crediting import unused_minor
from licensing.models import Credit, Offer, Order
from licensing.selectors import unended_grants
from licensing.services.agreeing import experiences_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """A paid order that a new one replaces, and what is left of it, without tax."""

    order: Order
    amount_minor: int


def unused_of(organization: Organization, offer: Offer) -> list[Unused]:
    """The paid orders whose licenses the offer would replace wholly.

    Raises Conflict ``order_waiting`` where another order that replaces one of them waits for its payment,
    ``other_currency`` where what is left is in another currency.
    """
    covered = {experience.pk for experience in experiences_of(offer)}
    orders = Order.objects.filter(
        organization=organization, state=Order.State.PAID, grants__in=unended_grants(), grants__experience__in=covered
    )
    found = []
    for order in orders.select_related("offer").distinct().order_by("number"):
        grants = list(order.grants.all())
        if all(grant.experience_id in covered and grant.frozen_at is None for grant in grants):
            found.append(Unused(order=order, amount_minor=_unused(order)))
    _require_free(found)
    _require_currency(found, offer)
    return found


def credit_for(*, organization_id: int, offer: Offer) -> int:
    """What buying the offer now would be lowered by. Raises what ``place_order`` would refuse it with."""
    organization = Organization.objects.get(pk=organization_id)
    return require_less_than(offer.price_minor, unused_of(organization, offer), offer.currency)


def require_less_than(price_minor: int, unused: Sequence[Unused], currency: str) -> int:
    """The credit. Raises Conflict ``credit_exceeds_price``: nobody's money is lost by going to something cheaper."""
    credit = sum(part.amount_minor for part in unused)
    if credit and credit >= price_minor:
        raise Conflict(
            "credit_exceeds_price",
            _("What is paid already is worth more than this costs: {amount} without tax.").format(
                amount=in_words(credit, currency)
            ),
            _("End the present license with its period ('Orders and invoices'), then buy this one."),
        )
    return credit


def credited_minor(order: Order) -> int:
    """What orders that stand have been lowered by because of this one, with its share of the tax."""
    net = sum(credit.amount_minor for credit in Credit.objects.filter(replaced=order, order__state=Order.State.PAID))
    return net + order.tax_minor * net // order.net_minor


def _unused(order: Order) -> int:
    """Of a period or of limited days the part that is left; of what has no end, all that was paid and kept."""
    moved = list(order.movements.all())
    paid = sum(row.amount_minor for row in moved if row.kind == "payment")
    if paid == 0:
        return 0  # a trial
    now = timezone.now()
    if order.offer.interval:
        start = order.period_start
        if start is None:
            return 0
        back = sum(row.amount_minor for row in moved if row.kind == "refund" and row.at >= start)
        kept = order.net_minor * max(0, order.total_minor - back) // order.total_minor
        return unused_minor(kept, start=start, end=order.period_end, now=now)
    grant = order.grants.order_by("pk").first()
    if grant is not None and grant.ends_at is not None:
        # A refund has shortened the days already.
        return unused_minor(order.net_minor, days=order.offer.grant_days, end=grant.ends_at, now=now)
    back = sum(row.amount_minor for row in moved if row.kind in ("refund", "dispute_lost"))
    return order.net_minor * (paid - back) // paid


def _require_free(found: Sequence[Unused]) -> None:
    waiting = Credit.objects.filter(replaced__in=[part.order for part in found], order__state=Order.State.OPEN)
    row = waiting.select_related("order").first()
    if row is not None:
        raise Conflict(
            "order_waiting",
            _("The order {number} that replaces your license waits for its payment.").format(number=row.order),
            _("Pay it, or give it up; then order again."),
            {"order": str(row.order_id)},
        )


def _require_currency(found: Sequence[Unused], offer: Offer) -> None:
    others = {part.order.currency for part in found if part.amount_minor} - {offer.currency}
    if others:
        raise Conflict(
            "other_currency",
            _("Your present license is paid in {currency}; what is left of it cannot be set off here.").format(
                currency=", ".join(sorted(others))
            ),
            _("Take an offer in that currency, or end the present license first."),
        )

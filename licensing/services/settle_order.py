"""Bring an order and its license to what its payment facts say. Every road leads here: webhook, operator, nightly.

Nothing depends on which event was heard, or in which order: the provider is asked for everything it knows, and the
same facts always come to the same end (the idea of fetching instead of trusting an event's content is Stripe's own
advice for webhooks).
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.services import audit, outbox
from licensing.domain.bookkeeping import in_order, part_of
from licensing.domain.entitling import SHORTEST, Billed, Facts, Standing, standing_of
from licensing.models import Grant, Offer, Order
from licensing.payments import ProviderTrouble, provider
from licensing.services.agreeing import locked_organization, open_grants
from licensing.services.bookkeeping import write_movement
from licensing.services.numbering import next_number
from licensing.services.permissions import give_permissions, take_permissions

logger = logging.getLogger(__name__)


def settle_order(*, order_id: uuid.UUID | str) -> Order:
    """The order as it stands now. May run twice at once, be killed anywhere, and run again. Raises ProviderTrouble.

    The provider is asked while the order's row is locked: whoever waits for the lock asks later and so knows more.
    """
    organization_id = Order.objects.values_list("organization_id", flat=True).get(pk=order_id)
    with transaction.atomic(durable=True):
        # Always the organization first: accepting and ordering lock in this order, too.
        locked_organization(organization_id)
        order = (
            Order.objects.select_for_update(of=("self",))
            .select_related("offer__experience__organization", "offer__terms", "acceptance__organization__group")
            .get(pk=order_id)
        )
        facts = provider(order.driver).facts(order)
        _take_tax(order, facts)
        _write_movements(order, facts)
        standing = standing_of(
            facts, total_minor=order.total_minor, due_minor=order.due_minor, grant_days=order.offer.grant_days
        )
        _apply_to_order(order, facts, standing)
        if order.billed_month is None:
            _apply_to_grants(order, standing)
        bills = [_bill(order, billed) for billed in facts.billed]
    for bill in bills:
        settle_order(order_id=bill)
    if standing.is_granted:
        _end_replaced(order)
    return order


def _bill(order: Order, billed: Billed) -> uuid.UUID:
    """The order that stands for a month's invoice of the provider; made once, as its number is found by it."""
    known = Order.objects.filter(driver=order.driver, external_id=billed.external_id).first()
    if known is not None:
        return known.pk
    made = Order.objects.create(
        number=next_number(),
        organization=order.organization,
        offer=order.offer,
        acceptance=order.acceptance,
        billed_month=billed.month,
        driver=order.driver,
        external_id=billed.external_id,
        currency=order.currency,
        net_minor=billed.net_minor,
        tax_minor=billed.tax_minor,
        fee_minor=part_of(billed.net_minor, settings.KEIKEN.fee_basis_points),
        billed_to=order.billed_to,
    )
    _tell(made, "order.bill", {"total_minor": made.total_minor, "month": f"{billed.month:%Y-%m}"})
    return made.pk


def _end_replaced(order: Order) -> None:
    """What took a subscription's place ends it: no further period is paid. Killed before, the next settling does it."""
    running = Order.objects.filter(credited_in__order=order, state=Order.State.PAID, ends_with_period=False)
    for replaced in running.filter(Q(offer__interval__gt="") | Q(offer__kind=Offer.Kind.METERED)):
        try:
            provider(replaced.driver).cancel(replaced)
        except ProviderTrouble:
            logger.warning("%s took the place of %s, which still renews: the next night tries again", order, replaced)
            continue
        Order.objects.filter(pk=replaced.pk).update(ends_with_period=True)
        _tell(replaced, "order.replaced", {"by": str(order)})


def _take_tax(order: Order, facts: Facts) -> None:
    """Where the provider reckons the tax, it is known with the checkout; later payments divide like the first."""
    if facts.tax_minor is not None and facts.tax_minor != order.tax_minor and not order.movements.exists():
        order.tax_minor = facts.tax_minor
        order.save(update_fields=["tax_minor"])


def _write_movements(order: Order, facts: Facts) -> None:
    earlier = list(order.movements.order_by("pk"))
    known = {(movement.kind, movement.external_id) for movement in earlier}
    for fact in in_order(facts.movements):
        if (fact.kind, fact.external_id) not in known:
            earlier.append(write_movement(order, fact, earlier))
            _tell(order, f"order.{fact.kind}", {"amount_minor": fact.amount_minor, "currency": order.currency})


def _apply_to_order(order: Order, facts: Facts, standing: Standing) -> None:
    subscription = facts.subscription
    wanted = {
        "state": standing.order,
        "period_start": subscription.period_start if subscription else None,
        "period_end": subscription.period_end if subscription else None,
        "ends_with_period": subscription.ends_with_period if subscription else order.ends_with_period,
    }
    if wanted["state"] == Order.State.PAID and order.state != Order.State.PAID:
        _tell_paid(order)
    if any(getattr(order, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(order, name, value)
        order.save(update_fields=list(wanted))


def _tell_paid(order: Order) -> None:
    data = {
        "order": str(order),
        "experience": str(order.offer.experience),
        "organization": order.acceptance.organization.slug,
        "total_minor": order.total_minor,
        "tax_minor": order.tax_minor,
        "currency": order.currency,
    }
    outbox.tell("order.paid", (order.organization_id, order.offer.experience.organization_id), data)


def _apply_to_grants(order: Order, standing: Standing) -> None:
    if not standing.is_granted:
        return
    grants = list(order.grants.select_related("organization__group", "experience").order_by("experience_id"))
    if not grants:
        starts_at = standing.starts_at or order.created_at
        ends_at = max(standing.ends_at, starts_at + SHORTEST) if standing.ends_at is not None else None
        grants = open_grants(SYSTEM, order.acceptance, starts_at=starts_at, ends_at=ends_at, order=order)
    for grant in grants:
        _apply_to_grant(order, grant, standing)


def _apply_to_grant(order: Order, grant: Grant, standing: Standing) -> None:
    """Ends, freezes, thaws or takes back. What was revoked stays revoked, whatever is paid."""
    now = timezone.now()
    changes: dict[str, datetime | str | None] = {}
    # The provider's clock is not ours: what ended at once still ends after it began.
    ends_at = max(standing.ends_at, grant.starts_at + SHORTEST) if standing.ends_at is not None else None
    if ends_at is not None and grant.ends_at != ends_at:
        changes["ends_at"] = ends_at
        if grant.closed_at is not None and grant.closed_at < ends_at:
            changes["closed_at"] = None if ends_at > now else now
    if grant.revoked_at is not None:
        # Its end is kept true all the same: it must not depend on what was heard first.
        if changes:
            Grant.objects.filter(pk=grant.pk).update(**changes)
        return
    if standing.revoked_code:
        changes |= {
            "revoked_at": now,
            "revoked_code": standing.revoked_code,
            "revoked_reason": "The payment was given back." if standing.order == "refunded" else "",
            "frozen_at": None,
        }
    elif bool(grant.frozen_at) != standing.is_frozen:
        changes["frozen_at"] = now if standing.is_frozen else None
    if not changes:
        return
    Grant.objects.filter(pk=grant.pk).update(**changes)
    if "revoked_at" in changes or changes.get("frozen_at"):
        take_permissions(grant)
    elif "frozen_at" in changes or changes.get("closed_at", now) is None:
        give_permissions(grant)
    _tell(order, "license.settled", {"grant": str(grant.pk), **{name: str(value) for name, value in changes.items()}})


def _tell(order: Order, action: str, details: dict[str, object]) -> None:
    audit.record(
        actor=SYSTEM,
        action=action,
        target=str(order),
        organization_id=order.organization_id,
        details={"order": str(order.pk), **details},
    )

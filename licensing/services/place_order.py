"""An organization orders a paid offer: the exact terms accepted, the price fixed, the payment begun."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid, Unavailable
from accounts.models import Organization
from accounts.services import audit
from licensing.access import offer_for
from licensing.domain.bookkeeping import part_of
from licensing.models import Coupon, Credit, Offer, Order
from licensing.offered import is_ordered
from licensing.payments import ProviderTrouble, Started, provider
from licensing.services.agreeing import (
    held_grant,
    locked_organization,
    record_acceptance,
    require_present_text,
    require_stock,
)
from licensing.services.crediting import require_less_than, unused_of
from licensing.services.numbering import next_number
from licensing.services.set_billing import billed_to
from licensing.services.settle_order import settle_order
from licensing.services.spending import most_in_month, require_budget


def place_order(*, actor: Actor, offer_id: Any, terms_sha256: str, coupon: str = "", return_url: str = "") -> Order:
    """The order, waiting for payment; ordering again while it waits is the same order, also for two clicks at once.

    Raises Unauthenticated, Forbidden (``scope_missing``, ``budget_exceeded``, ``publisher_not_allowed``), NotFound,
    Conflict (``terms_changed``, ``already_licensed``, ``sold_out``, ``coupon_used_up``, ``order_waiting``,
    ``other_currency``, ``credit_exceeds_price``), Invalid (``offer_not_for_sale``, ``coupon_invalid``), Unavailable
    ``payment_unavailable`` (the order stays and can be paid later).
    """
    actor.require("purchase")
    assert actor.organization_id is not None, "the scope comes with an organization"
    with transaction.atomic(durable=True):
        organization = locked_organization(actor.organization_id)
        offer = offer_for(actor, offer_id)
        if not is_ordered(offer):
            raise Invalid(
                "offer_not_for_sale", _("This offer costs nothing."), _("Accept it instead: 'keiken accept'.")
            )
        waiting = Order.objects.filter(
            organization=organization, offer=offer, state=Order.State.OPEN, billed_month__isnull=True
        ).first()
        order = waiting or _order(actor, organization, offer, terms_sha256, coupon)
    order = begin_payment(order, return_url=return_url)
    # By invoice a trial begins with the order; at Stripe it begins with the checkout.
    return settle_order(order_id=order.pk) if order.trial_days and not order.checkout_url else order


def _order(actor: Actor, organization: Organization, offer: Offer, terms_sha256: str, coupon_code: str) -> Order:
    require_present_text(offer, terms_sha256)
    held = held_grant(organization, offer)
    if held is not None and held.acceptance.offer_id == offer.pk:
        raise Conflict(
            "already_licensed",
            _("Your organization already has this license."),
            _("Nothing more is needed."),
            {"grant": str(held.pk)},
        )
    require_stock(offer)
    coupon = _redeemable(offer, coupon_code)
    net = offer.price_minor - (_reduction(offer, coupon) if coupon else 0)
    replaced = unused_of(organization, offer)
    configuration = settings.KEIKEN
    order = Order(
        number=next_number(),
        organization=organization,
        offer=offer,
        acceptance=record_acceptance(actor, organization, offer, timezone.now()),
        coupon=coupon,
        agent_id=actor.id if actor.kind == "agent" else None,
        driver=configuration.payments,
        currency=offer.currency,
        net_minor=net,
        tax_minor=part_of(net, configuration.tax_basis_points) if configuration.payments == "invoice" else 0,
        fee_minor=part_of(net, configuration.fee_basis_points),
        credit_minor=require_less_than(net, replaced, offer.currency),
        trial_days=_trial_days(organization, offer),
        billed_to=billed_to(organization.pk),
    )
    if actor.kind == "agent":
        most = most_in_month(offer) if offer.kind == Offer.Kind.METERED else order.due_minor
        require_budget(actor, organization, offer, most)
    order.save(force_insert=True)
    Credit.objects.bulk_create(
        Credit(order=order, replaced=part.order, amount_minor=part.amount_minor) for part in replaced
    )
    audit.record(
        actor=actor,
        action="order.place",
        target=str(offer.experience),
        organization_id=organization.pk,
        details={"order": str(order.pk), "offer": str(offer.pk), "total_minor": order.due_minor},
    )
    return order


def begin_payment(order: Order, *, return_url: str = "") -> Order:
    """Let the provider begin, outside any transaction: killed in between, the next try begins the same payment."""
    if order.external_id:
        return order
    try:
        started: Started = provider(order.driver).start(order, return_url=return_url)
    except ProviderTrouble as trouble:
        raise Unavailable(
            "payment_unavailable",
            _("The payment could not be begun: {why}.").format(why=str(trouble).rstrip(".")),
            _("The order waits. Order again in a minute and it goes on where it is."),
            {"order": str(order.pk)},
        ) from trouble
    changes: dict[str, Any] = {"external_id": started.external_id, "checkout_url": started.checkout_url}
    Order.objects.filter(pk=order.pk, external_id="").update(**changes)
    order.refresh_from_db()
    return order


def _trial_days(organization: Organization, offer: Offer) -> int:
    """A trial is had once, whichever of the experience's offers it was on."""
    earlier = Order.objects.filter(organization=organization, offer__experience=offer.experience, trial_days__gt=0)
    return 0 if earlier.exists() else offer.trial_days


def _redeemable(offer: Offer, code: str) -> Coupon | None:
    if not code:
        return None
    found = Coupon.objects.select_for_update().filter(code=code.strip().upper())
    coupon = found.filter(organization_id=offer.experience.organization_id).first()
    if coupon is None or offer.kind == Offer.Kind.METERED or not _holds(coupon, offer):
        raise Invalid(
            "coupon_invalid", _("This code does not hold for this offer."), _("Check the code, or leave it out.")
        )
    used = coupon.orders.exclude(state=Order.State.CANCELED).count()
    if coupon.redemptions_limit is not None and used >= coupon.redemptions_limit:
        raise Conflict("coupon_used_up", _("This code has been used as often as it can be."), _("Leave it out."))
    return coupon


def _holds(coupon: Coupon, offer: Offer) -> bool:
    is_over = coupon.expires_at is not None and coupon.expires_at <= timezone.now()
    return not is_over and coupon.currency in ("", offer.currency)


def _reduction(offer: Offer, coupon: Coupon) -> int:
    """At least one unit stays to be paid: what costs nothing is a free offer, not an order."""
    reduction = part_of(offer.price_minor, coupon.percent_off * 100) or coupon.amount_off_minor
    return min(reduction, offer.price_minor - 1)

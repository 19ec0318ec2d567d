"""An organization orders a paid offer: the exact terms accepted, the price fixed, the payment begun."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden, Invalid, Unavailable
from accounts.models import Organization
from accounts.services import audit
from licensing.access import offer_for
from licensing.domain.bookkeeping import in_words, part_of
from licensing.domain.periods import month_of
from licensing.drivers import PAID_KINDS
from licensing.models import Coupon, Offer, Order, PurchasePolicy
from licensing.payments import ProviderTrouble, Started, provider
from licensing.services.agreeing import (
    held_grant,
    locked_organization,
    other_terms,
    record_acceptance,
    require_present_text,
    require_stock,
)

_NUMBERS_LOCK = 0x6B656B6E
"""The advisory lock under which orders are numbered without gaps, whoever orders."""


def place_order(*, actor: Actor, offer_id: Any, terms_sha256: str, coupon: str = "", return_url: str = "") -> Order:
    """The order, waiting for payment; ordering again while it waits is the same order, also for two clicks at once.

    Raises Unauthenticated, Forbidden (``scope_missing``, ``budget_exceeded``, ``publisher_not_allowed``,
    ``approval_required``), NotFound, Conflict (``terms_changed``, ``other_terms_accepted``, ``sold_out``,
    ``coupon_used_up``), Invalid (``offer_not_for_sale``, ``coupon_invalid``), Unavailable ``payment_unavailable`` (the
    order stays and can be paid later).
    """
    actor.require("purchase")
    assert actor.organization_id is not None, "the scope comes with an organization"
    with transaction.atomic(durable=True):
        organization = locked_organization(actor.organization_id)
        offer = offer_for(actor, offer_id)
        if offer.kind not in PAID_KINDS:
            raise Invalid(
                "offer_not_for_sale", _("This offer costs nothing."), _("Accept it instead: 'keiken accept'.")
            )
        waiting = Order.objects.filter(
            organization=organization, offer=offer, state=Order.State.OPEN, billed_month__isnull=True
        ).first()
        order = waiting or _order(actor, organization, offer, terms_sha256, coupon)
    return begin_payment(order, return_url=return_url)


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
    if held is not None and held.order_id is None and held.acceptance.text_sha256 == terms_sha256:
        raise other_terms(held)
    require_stock(offer)
    coupon = _redeemable(offer, coupon_code)
    net = offer.price_minor - (_reduction(offer, coupon) if coupon else 0)
    configuration = settings.KEIKEN
    tax = part_of(net, configuration.tax_basis_points) if configuration.payments == "invoice" else 0
    if actor.kind == "agent":
        _require_budget(actor, organization, offer, net + tax)
    order = Order.objects.create(
        number=next_number(),
        organization=organization,
        offer=offer,
        acceptance=record_acceptance(actor, organization, offer, timezone.now()),
        coupon=coupon,
        agent_id=actor.id if actor.kind == "agent" else None,
        driver=configuration.payments,
        currency=offer.currency,
        net_minor=net,
        tax_minor=tax,
        fee_minor=part_of(net, configuration.fee_basis_points),
    )
    audit.record(
        actor=actor,
        action="order.place",
        target=str(offer.experience),
        organization_id=organization.pk,
        details={"order": str(order.pk), "offer": str(offer.pk), "total_minor": order.total_minor},
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


def next_number() -> int:
    """The next order's number; the lock lasts until the transaction ends, so that no number is left out."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBERS_LOCK])
    return (Order.objects.aggregate(last=Max("number"))["last"] or 0) + 1


def _redeemable(offer: Offer, code: str) -> Coupon | None:
    if not code:
        return None
    publisher_id = offer.experience.organization_id
    coupon = Coupon.objects.select_for_update().filter(organization_id=publisher_id, code=code.strip().upper()).first()
    is_over = coupon is not None and coupon.expires_at is not None and coupon.expires_at <= timezone.now()
    if coupon is None or is_over or (coupon.currency and coupon.currency != offer.currency):
        raise Invalid(
            "coupon_invalid", _("This code does not hold for this offer."), _("Check the code, or leave it out.")
        )
    used = coupon.orders.exclude(state=Order.State.CANCELED).count()
    if coupon.redemptions_limit is not None and used >= coupon.redemptions_limit:
        raise Conflict("coupon_used_up", _("This code has been used as often as it can be."), _("Leave it out."))
    return coupon


def _reduction(offer: Offer, coupon: Coupon) -> int:
    """At least one unit stays to be paid: what costs nothing is a free offer, not an order."""
    reduction = part_of(offer.price_minor, coupon.percent_off * 100) or coupon.amount_off_minor
    return min(reduction, offer.price_minor - 1)


def _require_budget(actor: Actor, organization: Organization, offer: Offer, total_minor: int) -> None:
    """What an agent may buy by itself. The organization's row is locked, so two at once are counted."""
    policy = PurchasePolicy.objects.filter(organization=organization).first()
    publisher = offer.experience.organization.slug
    if policy is not None and policy.publishers and publisher not in policy.publishers:
        raise Forbidden(
            "publisher_not_allowed",
            _("Your organization's agents may not buy from {publisher}.").format(publisher=publisher),
            _("Ask an owner of your organization to buy it, or to allow the publisher."),
        )
    assert actor.id is not None, "an agent is a row"
    spent = (
        Order.objects.filter(agent_id=actor.id, currency=offer.currency, created_at__gte=month_of(timezone.now()))
        .exclude(state=Order.State.CANCELED)
        .aggregate(sum=Sum("net_minor") + Sum("tax_minor"))["sum"]
        or 0
    )
    allowed = policy.agent_month_minor if policy is not None and policy.currency == offer.currency else 0
    if spent + total_minor > allowed:
        raise Forbidden(
            "budget_exceeded",
            _("This costs {price}; {left} of this month's budget are left for this agent.").format(
                price=in_words(total_minor, offer.currency),
                left=in_words(max(0, allowed - spent), offer.currency),
            ),
            _("Ask an owner of your organization to buy it, or to raise the budget."),
        )

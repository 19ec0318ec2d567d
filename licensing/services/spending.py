"""What an organization's agents may spend by themselves. Counted under the lock of the organization's row."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden
from accounts.models import Membership, Organization
from licensing.domain.bookkeeping import in_words, part_of
from licensing.domain.periods import month_of
from licensing.models import Acceptance, Offer, Order, PurchasePolicy
from licensing.selectors import unended_grants


def require_budget(actor: Actor, organization: Organization, offer: Offer, total_minor: int | None) -> None:
    """An agent may spend this: two at once wait for each other, as the organization is locked.

    ``total_minor`` is None for what has no upper limit. Raises Forbidden ``publisher_not_allowed`` or
    ``budget_exceeded``, with the owners to ask.
    """
    policy = PurchasePolicy.objects.filter(organization=organization).first()
    publisher = offer.experience.organization.slug
    if policy is not None and policy.publishers and publisher not in policy.publishers:
        raise _forbidden(
            organization,
            "publisher_not_allowed",
            _("Your organization's agents may not buy from {publisher}.").format(publisher=publisher),
            _("Ask an owner of your organization to buy it, or to allow the publisher: {owners}."),
        )
    allowed = policy.agent_month_minor if policy is not None and policy.currency == offer.currency else 0
    left = max(0, allowed - _spent(actor, offer.currency) - _committed(actor, organization, offer.currency))
    if total_minor is None:
        raise _forbidden(
            organization,
            "budget_exceeded",
            _("What this costs in a month has no limit, and an agent has a budget."),
            _("Ask an owner of your organization to accept it: {owners}."),
        )
    if total_minor > left:
        raise _forbidden(
            organization,
            "budget_exceeded",
            _("This costs {price}; {left} of this month's budget are left for this agent.").format(
                price=in_words(total_minor, offer.currency), left=in_words(left, offer.currency)
            ),
            _("Ask an owner of your organization to buy it, or to raise the budget: {owners}."),
        )


def most_in_month(offer: Offer) -> int | None:
    """What a metered offer costs at most in a calendar month, tax included; None where nothing limits it."""
    if offer.replays_quota is None:
        return None
    net = max(0, offer.replays_quota - offer.replays_free) * offer.price_minor
    return net + part_of(net, settings.KEIKEN.tax_basis_points)


def _spent(actor: Actor, currency: str) -> int:
    """By its orders of this month, tax included."""
    assert actor.id is not None, "an agent is a row"
    since = month_of(timezone.now())
    orders = Order.objects.filter(agent_id=actor.id, currency=currency, created_at__gte=since)
    return sum(order.due_minor for order in orders.exclude(state=Order.State.CANCELED))


def _committed(actor: Actor, organization: Organization, currency: str) -> int:
    """What the metered licenses that it accepted may still cost this month."""
    accepted = Acceptance.objects.filter(
        organization=organization,
        accepted_by_kind="agent",
        accepted_by_id=actor.id or 0,
        offer__kind=Offer.Kind.METERED,
        offer__currency=currency,
        grants__in=unended_grants(),
    )
    return sum(most_in_month(row.offer) or 0 for row in accepted.select_related("offer").distinct())


def _forbidden(organization: Organization, code: str, message: str, advice: str) -> Forbidden:
    owners = Membership.objects.filter(organization=organization, role=Membership.Role.OWNER).select_related("person")
    names = [str(row.person) for row in owners.order_by("pk")[:5]]
    return Forbidden(code, message, advice.format(owners=", ".join(names)), {"ask": names})

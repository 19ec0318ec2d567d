"""What an offer's driver may know of it, read from its rows."""

from __future__ import annotations

from django.conf import settings

from licensing.domain.bookkeeping import in_words
from licensing.drivers import PAID_KINDS, Facts
from licensing.models import AccessRequest, Offer


def is_ordered(offer: Offer) -> bool:
    """Whether taking it is an order that leads to a payment, or to a payment method for what is used later."""
    is_metered_at_stripe = offer.kind == Offer.Kind.METERED and settings.KEIKEN.payments == "stripe"
    return offer.kind in PAID_KINDS or is_metered_at_stripe


def facts_of(offer: Offer) -> Facts:
    """``offer.experience`` should be loaded; recipients and approvals are asked for only where they decide."""
    recipients = frozenset(offer.recipients.values_list("pk", flat=True)) if offer.is_private else None
    approved: frozenset[int] = frozenset()
    if offer.kind == Offer.Kind.REQUEST:
        granted = AccessRequest.objects.filter(offer=offer, state=AccessRequest.State.APPROVED)
        approved = frozenset(granted.values_list("organization_id", flat=True))
    return Facts(
        publisher_id=offer.experience.organization_id,
        grant_days=offer.grant_days,
        recipients=recipients,
        expires_at=offer.expires_at,
        price=in_words(offer.price_minor, offer.currency) if offer.price_minor else "",
        approved=approved,
        is_ordered=is_ordered(offer),
    )

"""Terms and offers of ours as ODRL, read from their rows."""

from __future__ import annotations

from typing import Any

from licensing.domain.bookkeeping import in_decimal
from licensing.domain.odrl import Offered, policy_of
from licensing.domain.rules import read_rules
from licensing.models import Offer, Terms


def odrl_of(terms: Terms, offer: Offer | None = None) -> dict[str, Any]:
    """The terms as a set of rules, or what is offered on them. See ``licensing.domain.odrl``."""
    return policy_of(
        uid=f"urn:uuid:{terms.pk}",
        publisher=terms.organization.slug,
        uses=terms.uses,
        rules=read_rules(terms.rules),
        text_sha256=terms.text_sha256,
        offered=_offered(offer) if offer is not None else None,
    )


def _offered(offer: Offer) -> Offered:
    names = [offer.experience, *offer.bundled.select_related("organization").order_by("pk")]
    return Offered(
        uid=f"urn:uuid:{offer.pk}",
        targets=[f"urn:keiken:experience:{name}" for name in names],
        price=in_decimal(offer.price_minor, offer.currency) if offer.price_minor else "",
        currency=offer.currency,
        per="replay" if offer.kind == Offer.Kind.METERED else offer.interval,
        grant_days=offer.grant_days,
        seats=offer.seats,
        replays_in_month=offer.replays_quota,
        versions=offer.versions,
        expires_at=offer.expires_at.isoformat() if offer.expires_at else "",
    )

"""How each kind of offer decides who may see and take it, and for how long. A driver never sees a model.

A further kind is a class here, a line in DRIVERS and a choice in ``Offer.Kind``. How money is paid is another matter:
``licensing.payments``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.utils.translation import gettext as _

from accounts.domain.refusals import Forbidden, PaymentRequired


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a driver knows of an offer."""

    publisher_id: int
    grant_days: int | None
    recipients: frozenset[int] | None = None
    """Organizations that a private offer is made to; None: it is not private."""
    expires_at: datetime | None = None
    price: str = ""
    """In words, for a refusal: ``12.00 EUR``."""
    approved: frozenset[int] = frozenset()
    """Organizations whose request the publisher has granted."""
    is_ordered: bool = False


class OfferDriver(Protocol):
    def may_see(self, offer: Facts, *, buyer_id: int | None) -> bool:
        """Whether the offer is shown to an organization (None is a stranger)."""
        ...

    def admit(self, offer: Facts, *, buyer_id: int) -> None:
        """Raises a Refusal when the organization may not accept now; a paid driver asks for payment here."""
        ...

    def ends_at(self, offer: Facts, *, starts_at: datetime) -> datetime | None:
        """When a grant that starts then ends; None is until revoked."""
        ...


class Free:
    """For every organization, at no charge."""

    def may_see(self, offer: Facts, *, buyer_id: int | None) -> bool:
        return offer.recipients is None or buyer_id in offer.recipients or buyer_id == offer.publisher_id

    def admit(self, offer: Facts, *, buyer_id: int) -> None:
        """Nobody who may see it is refused."""

    def ends_at(self, offer: Facts, *, starts_at: datetime) -> datetime | None:
        return starts_at + timedelta(days=offer.grant_days) if offer.grant_days else None


class OrganizationInternal(Free):
    """For the publishing organization only: its people accept the terms before they use it."""

    def may_see(self, offer: Facts, *, buyer_id: int | None) -> bool:
        return buyer_id == offer.publisher_id

    def admit(self, offer: Facts, *, buyer_id: int) -> None:
        if buyer_id != offer.publisher_id:
            raise Forbidden(
                "offer_not_for_you",
                _("This offer is for the publishing organization only."),
                _("Ask the publisher for an offer to your organization."),
            )


class Metered(Free):
    """Paid by what is used: accepted like a free one where we bill it, ordered where the provider does."""

    def admit(self, offer: Facts, *, buyer_id: int) -> None:
        if offer.is_ordered:
            Paid().admit(offer, buyer_id=buyer_id)


class Paid(Free):
    """Against money: the license follows from the payment, never from the acceptance alone."""

    def admit(self, offer: Facts, *, buyer_id: int) -> None:
        raise PaymentRequired(
            "payment_required",
            _("This offer costs {price}.").format(price=offer.price),
            _("Buy it: 'keiken buy', or on its page."),
        )


class OnRequest(Free):
    """A person at the publisher decides about each organization that asks."""

    def admit(self, offer: Facts, *, buyer_id: int) -> None:
        if buyer_id not in offer.approved:
            raise Forbidden(
                "approval_required",
                _("The publisher decides who may have this."),
                _("Ask for it on its page; you hear from the publisher."),
            )


DRIVERS: dict[str, OfferDriver] = {
    "free": Free(),
    "organization": OrganizationInternal(),
    "purchase": Paid(),
    "subscription": Paid(),
    "metered": Metered(),
    "request": OnRequest(),
}
PAID_KINDS = frozenset({"purchase", "subscription"})
"""Kinds that are ordered (``place_order``) instead of accepted."""

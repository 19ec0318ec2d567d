"""How each kind of offer decides who may see and take it, and for how long. A driver never sees a model.

A further kind (a purchase, a subscription) is a class here, a line in DRIVERS and a choice in ``Offer.Kind``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.utils.translation import gettext as _

from accounts.domain.refusals import Forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a driver knows of an offer."""

    publisher_id: int
    grant_days: int | None


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
        return True

    def admit(self, offer: Facts, *, buyer_id: int) -> None:
        """Nobody is refused."""

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


DRIVERS: dict[str, OfferDriver] = {"free": Free(), "organization": OrganizationInternal()}

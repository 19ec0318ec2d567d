"""How each kind of offer decides who may take it. Paid kinds become further drivers; models never see a driver."""

from __future__ import annotations

from typing import Protocol

from django.utils.translation import gettext as _

from accounts.domain.refusals import Forbidden


class OfferDriver(Protocol):
    def may_see(self, *, buyer_id: int | None, publisher_id: int) -> bool:
        """Whether the offer is shown to an organization (None is a stranger)."""
        ...

    def admit(self, *, buyer_id: int, publisher_id: int) -> None:
        """Raises a Refusal when the organization may not accept now; a paid driver asks for payment here."""
        ...


class Free:
    """For every organization, at no charge."""

    def may_see(self, *, buyer_id: int | None, publisher_id: int) -> bool:
        return True

    def admit(self, *, buyer_id: int, publisher_id: int) -> None:
        """Nobody is refused."""


class OrganizationInternal:
    """For the publishing organization only: its people accept the terms before they use it."""

    def may_see(self, *, buyer_id: int | None, publisher_id: int) -> bool:
        return buyer_id == publisher_id

    def admit(self, *, buyer_id: int, publisher_id: int) -> None:
        if buyer_id != publisher_id:
            raise Forbidden(
                "offer_not_for_you",
                _("This offer is for the publishing organization only."),
                _("Ask the publisher for an offer to your organization."),
            )


DRIVERS: dict[str, OfferDriver] = {"free": Free(), "organization": OrganizationInternal()}

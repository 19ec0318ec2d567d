"""What a payment provider offers. Every write carries a key, so that a repeated call is the same call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from licensing.domain.entitling import Facts
from licensing.models import Order


class ProviderTrouble(Exception):
    """The provider cannot be reached or answers what nobody expected: try again later. Nothing was decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A payment was begun: where the buyer goes on, if anywhere."""

    external_id: str
    checkout_url: str = ""
    tax_minor: int | None = None
    """What the provider says the tax is; None keeps ours."""


class PaymentProvider(Protocol):
    name: str

    def start(self, order: Order, *, return_url: str) -> Started:
        """Begin the payment. Calling it again for the same order begins no second one. Raises ProviderTrouble."""
        ...

    def facts(self, order: Order) -> Facts:
        """All that is known of the order's money now. Raises ProviderTrouble."""
        ...

    def refund(self, order: Order, *, amount_minor: int, key: str) -> None:
        """Give money back; the same ``key`` only once. Raises ProviderTrouble."""
        ...

    def cancel(self, order: Order) -> None:
        """No further payment: an open checkout ends, a subscription ends with its paid period."""
        ...

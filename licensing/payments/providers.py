"""The providers by name."""

from __future__ import annotations

from licensing.payments.invoice import InvoiceProvider
from licensing.payments.protocol import PaymentProvider
from licensing.payments.stripe_api import StripeProvider

_PROVIDERS: dict[str, PaymentProvider] = {"invoice": InvoiceProvider(), "stripe": StripeProvider()}


def provider(name: str) -> PaymentProvider:
    """By the name that an order keeps, so that its money stays where it began."""
    return _PROVIDERS[name]

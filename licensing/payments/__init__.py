"""How an order is paid. A provider starts a payment, gives money back, and tells all it knows; it decides nothing."""

from licensing.payments.protocol import PaymentProvider, ProviderTrouble, Started
from licensing.payments.providers import provider

__all__ = ["PaymentProvider", "ProviderTrouble", "Started", "provider"]

"""On which terms, for how much, and what came of it."""

from licensing.models.agreements import Acceptance, Grant, Offer, Terms
from licensing.models.ledger import LedgerLine, LedgerTransaction
from licensing.models.payouts import Payout, PublisherAccount
from licensing.models.purchases import (
    AccessRequest,
    BillingDetails,
    Coupon,
    Credit,
    InvoiceEntry,
    Movement,
    Order,
    ProviderEvent,
    PurchasePolicy,
    Refund,
)
from licensing.models.usage import CountedReplay, LicenseToken, RevocationList, Seat

__all__ = [
    "Acceptance",
    "AccessRequest",
    "BillingDetails",
    "CountedReplay",
    "Coupon",
    "Credit",
    "Grant",
    "InvoiceEntry",
    "LedgerLine",
    "LedgerTransaction",
    "LicenseToken",
    "Movement",
    "Offer",
    "Order",
    "Payout",
    "ProviderEvent",
    "PublisherAccount",
    "PurchasePolicy",
    "Refund",
    "RevocationList",
    "Seat",
    "Terms",
]

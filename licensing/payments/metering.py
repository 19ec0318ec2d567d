"""Stripe's Billing Meters: replays that are paid one by one are told to Stripe, which counts and bills them each month.

Endpoints: GET, POST /v1/billing/meters · GET, POST /v1/prices · POST /v1/billing/meter_events.
One meter serves the whole marketplace: every order has a customer of its own at Stripe, and a meter counts by customer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, cast

import stripe
from django.utils import timezone

from licensing.models import Offer
from licensing.payments.asking import asking

EVENT: Final = "keiken_replay"
LATEST: Final = timedelta(days=34)
"""Stripe takes events of the past 35 days."""


def price_of(api: stripe.StripeClient, offer: Offer) -> str:
    """The id of the offer's price: the free replays of a month, then each at its price. Made once, found by its key."""
    lookup_key = f"keiken-{offer.pk}"
    found = api.v1.prices.list({"lookup_keys": [lookup_key], "active": True, "limit": 1}).data
    if found:
        return found[0].id
    made = api.v1.prices.create(
        cast(Any, _price_parameters(offer, lookup_key, _meter(api))), {"idempotency_key": f"price-{offer.pk}"}
    )
    return made.id


def tell_replay(*, customer: str, identifier: str, at: datetime) -> None:
    """One replay more; telling the same ``identifier`` again within a day changes nothing. Raises ProviderTrouble."""
    at = max(at, timezone.now() - LATEST)
    with asking() as api:
        try:
            api.v1.billing.meter_events.create(
                {
                    "event_name": EVENT,
                    "identifier": identifier,
                    "timestamp": int(at.timestamp()),
                    "payload": {"stripe_customer_id": customer, "value": "1"},
                }
            )
        except stripe.InvalidRequestError as error:
            if not _is_told(error):
                raise


def _is_told(error: stripe.InvalidRequestError) -> bool:
    """Stripe refuses an identifier that it knows; that it has it is all that was wanted."""
    return error.code == "duplicate_meter_event" or "already exists with identifier" in str(error)


def customer_of(session_id: str) -> str | None:
    """Whose replays are counted for a checkout; None while it is not complete. Raises ProviderTrouble."""
    with asking() as api:
        customer = api.v1.checkout.sessions.retrieve(session_id).customer
    return customer if isinstance(customer, str) or customer is None else customer.id


def _meter(api: stripe.StripeClient) -> str:
    for meter in api.v1.billing.meters.list({"status": "active", "limit": 100}).auto_paging_iter():
        if meter.event_name == EVENT:
            return meter.id
    made = api.v1.billing.meters.create(
        {
            "display_name": "Successful replays",
            "event_name": EVENT,
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        },
        {"idempotency_key": f"meter-{EVENT}"},
    )
    return made.id


def _price_parameters(offer: Offer, lookup_key: str, meter: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "currency": offer.currency.lower(),
        "product_data": {"name": f"{offer.experience}: successful replays"},
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
        "tax_behavior": "exclusive",
        "lookup_key": lookup_key,
    }
    if not offer.replays_free:
        return {**parameters, "unit_amount": offer.price_minor}
    tiers = [{"up_to": offer.replays_free, "unit_amount": 0}, {"up_to": "inf", "unit_amount": offer.price_minor}]
    return {**parameters, "billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": tiers}

"""The official SDK with our key, and its errors as ours."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import stripe
from django.conf import settings

from licensing.payments.protocol import ProviderTrouble

TIMEOUT_SECONDS = 20


def client() -> stripe.StripeClient:
    """The official SDK with our key; it repeats failed requests by itself, under the same idempotency key."""
    return _client(settings.KEIKEN.stripe_api_key, settings.KEIKEN.stripe_api_base)


@functools.lru_cache(maxsize=4)
def _client(api_key: str, address: str) -> stripe.StripeClient:
    """Kept, so that connections are used again."""
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": address},
        max_network_retries=2,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )


@contextlib.contextmanager
def asking() -> Iterator[stripe.StripeClient]:
    """Stripe's errors as ours. Never a key in a message."""
    try:
        yield client()
    except stripe.StripeError as error:
        raise ProviderTrouble(f"Stripe answered {type(error).__name__} ({error.code or error.http_status})") from error

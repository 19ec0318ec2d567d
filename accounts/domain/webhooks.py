"""Standard Webhooks (standardwebhooks.com, version 1.0): the secret's form, the signature, the pace of retries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # no secret: what every secret begins with
SECRET_BYTES: Final = 32
PAUSES_SECONDS: Final = (5, 60, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600)
"""The pause after the first, second, … failed attempt, before jitter: 31 hours in all."""
ATTEMPTS_MAX: Final = len(PAUSES_SECONDS) + 1
FAILURES_MAX: Final = 30
"""After so many failed attempts in a row, of whatever deliveries, a webhook is switched off."""


def new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64>``: HMAC-SHA256 over ``id.timestamp.body``."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(secrets_in_force: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Signed with every secret in force, so that a receiver may know either."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in secrets_in_force),
    }

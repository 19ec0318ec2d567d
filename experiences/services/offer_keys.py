"""The public keys that statements are signed with."""

from __future__ import annotations

import time

from experiences.models import PublicKey
from experiences.services.queueing import send

WAIT_SECONDS = 3.0


def offer_keys() -> list[PublicKey]:
    """All keys, oldest first.

    The web server never opens the signing key. On a site that has signed nothing yet, the signing worker is asked to
    make its key, so that whoever signs in first can pin it; without such a worker the list stays empty.
    """
    keys = _keys()
    if keys:
        return keys
    send("experiences.tasks.record_signing_key", "attest", [()])
    deadline = time.monotonic() + WAIT_SECONDS
    while not keys and time.monotonic() < deadline:
        time.sleep(0.1)
        keys = _keys()
    return keys


def _keys() -> list[PublicKey]:
    return list(PublicKey.objects.order_by("not_before", "pk"))

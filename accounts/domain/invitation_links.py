"""The secret of an invitation's link: the site's signature over its number and how often it was sent.

So it stands in no table, an older link ends when a newer one is sent, and only the mail that waits to be sent holds it.
"""

from __future__ import annotations

import uuid

from django.core.signing import BadSignature, Signer
from django.utils.translation import gettext as _

from accounts.domain.refusals import NotFound


def _signer() -> Signer:
    return Signer(salt="accounts.invitation")


def token_of(number: uuid.UUID, generation: int) -> str:
    return _signer().sign(f"{number.hex}.{generation}")


def read_token(token: str) -> tuple[uuid.UUID, int]:
    """Number and generation. Raises NotFound for what was not signed here."""
    try:
        number, generation = _signer().unsign(token).split(".")
        return uuid.UUID(number), int(generation)
    except (BadSignature, ValueError):
        raise NotFound(_("invitation")) from None

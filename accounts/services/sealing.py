"""Secrets that must be there in the clear to be used, encrypted at rest with a key derived from the site's own."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBroken(Exception):
    """It was sealed with another key: the site's secret key has changed since."""


def sealed(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def opened(token: str) -> str:
    """Raises SealBroken."""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise SealBroken from None


def _fernet() -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"keiken sealed secrets 1")
    return Fernet(base64.urlsafe_b64encode(derived.derive(settings.SECRET_KEY.encode())))

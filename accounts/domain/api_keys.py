"""The form of API keys: ``kk_<prefix>_<secret><checksum>``.

The checksum lets a mistyped key be told from a wrong one without asking anybody, and lets scanners recognize a leaked
key with near certainty (the idea is GitHub's token format).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass

ALPHABET = string.digits + string.ascii_letters
PREFIX_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 10, 32, 6
_FORM = re.compile(rf"kk_([0-9a-z]{{{PREFIX_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}})")


@dataclass(frozen=True)
class NewKey:
    """``text`` is shown once; only ``prefix`` and ``sha256`` are kept."""

    text: str
    prefix: str
    sha256: str


def new_key() -> NewKey:
    prefix = "".join(secrets.choice(string.digits + string.ascii_lowercase) for _ in range(PREFIX_LENGTH))
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    body = f"kk_{prefix}_{secret}"
    text = body + checksum(body)
    return NewKey(text, prefix, digest(text))


def digest(text: str) -> str:
    """What is stored: a key has 190 random bits, so one round of SHA-256 keeps it."""
    return hashlib.sha256(text.encode()).hexdigest()


def checksum(body: str) -> str:
    """CRC-32 in base 62, six characters."""
    number, letters = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        letters = ALPHABET[rest] + letters
    return letters


def prefix_of(text: str) -> str | None:
    """The public part; None when it is no key of ours or mistyped."""
    match = _FORM.fullmatch(text)
    if match is None or checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return match.group(1)

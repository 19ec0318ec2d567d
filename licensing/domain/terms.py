"""Rules of terms: the uses a machine can read, the exact text and its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from licensing.domain.spdx import EVERY_USE

USES: Final = EVERY_USE
TEXT_LIMIT: Final = 200_000
PERMISSIONS: Final = ("download_experience", "replay_experience")
"""Every object permission a grant can give."""


def permissions_of(uses: Iterable[str]) -> tuple[str, ...]:
    """What the buyer's group gets on the experience: who may not replay it can still download and read it."""
    return PERMISSIONS if "replay" in set(uses) else ("download_experience",)


def normal_text(text: str) -> str:
    """The text as it is kept and hashed: line ends are LF, and there is no white space around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip() + "\n"


def agreed_text(text: str, text_ja: str) -> str:
    """The one document that is accepted: the text, and after a form feed the Japanese one where there is one."""
    return f"{text}\f\n{text_ja}" if text_ja else text


def text_sha256(text: str) -> str:
    """Hex, of the UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()

"""Rules of terms: the uses a machine can read, and the text's hash."""

from __future__ import annotations

import hashlib

USES = ("replay", "read", "modify", "derive", "redistribute", "resell", "train")
TEXT_LIMIT = 200_000


def normal_text(text: str) -> str:
    """Line ends and the white space around do not change a text, so they do not change its hash."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip() + "\n"


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def spdx_text(expression: str) -> str:
    """The text accepted for a well-known license: which one it is. The license itself is in the package."""
    return normal_text(
        f"SPDX-License-Identifier: {expression}\n\n"
        f"The experience is licensed to you under {expression}, as identified by SPDX. "
        "The full text of the license is published under that identifier and applies as it stands."
    )

"""What people write about experiences: plain text without tricks, and where they used it, told coarsely."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

TEXT_LIMIT = 4000
REASON_LIMIT = 2000
ANSWERS = ("", "yes", "partly", "no")
EFFORTS = ("", "none", "minutes", "hours", "days")
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
"""They can make a text read otherwise than it is written."""
_PLAIN_FACT = re.compile(r"[\w.+-]{1,64}")


def plain_text(text: str) -> str:
    """The text in NFC with line feeds only, at most one empty line at once, and no control or direction characters."""
    lines = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = "".join(mark for mark in lines if mark in "\n\t" or _is_shown(mark))
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


def _is_shown(mark: str) -> bool:
    return mark not in _DIRECTIONS and unicodedata.category(mark) not in ("Cc", "Cs")


def used_in(facts: Mapping[str, Any], environment_name: str) -> dict[str, str]:
    """``os_id``, ``os_version`` (at most two numbers), ``environment_name``: enough to compare, not to recognize."""
    version = ".".join(_plain(facts.get("os.version")).split(".")[:2])
    return {
        "os_id": _plain(facts.get("os.id")),
        "os_version": version,
        "environment_name": _plain(environment_name),
    }


def _plain(value: Any) -> str:
    """What a report says is anybody's text: a name of a system has no blanks and no brackets."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return text if _PLAIN_FACT.fullmatch(text) else ""

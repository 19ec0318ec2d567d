"""What code inside a sandbox made can hold anything; PostgreSQL's JSON cannot."""

from __future__ import annotations

import math
import re
from typing import Any

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
TEXT_CHARACTERS = 64_000


def storable(value: Any) -> Any:
    """The same JSON value without NUL, lone surrogates and infinite numbers, and with bounded texts."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {storable_text(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


def storable_text(text: str) -> str:
    return _UNSTORABLE.sub(_REPLACEMENT, text[:TEXT_CHARACTERS])

"""The entries of a live log: few, short, numbered, so that a reader sees what is new and what is missing."""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any, Literal

from experiences.domain.storable import storable

Kind = Literal["attempt", "scenario", "step", "verdict", "mutants"]
MOST_ENTRIES = 200
"""The oldest go first; their numbers tell that they are missing."""
TEXT_CHARACTERS = 300


class Entries:
    """Added to by the proving thread, read by the one that writes them down. Safe for both at once."""

    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=MOST_ENTRIES)
        self._lock = threading.Lock()
        self._number = 0

    def add(self, kind: Kind, **fields: Any) -> None:
        """Fields that are empty are left out; texts lose their beginning, as their end tells more."""
        entry = {name: _short(value) for name, value in fields.items() if value not in (None, "")}
        with self._lock:
            self._number += 1
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._kept.append({"number": self._number, "at": at, "kind": kind, **storable(entry)})

    def newer_than(self, number: int) -> list[dict[str, Any]] | None:
        """All that is kept, when something is newer than this number."""
        with self._lock:
            return list(self._kept) if self._number > number else None


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS:
        return "…" + value[1 - TEXT_CHARACTERS :]
    return value

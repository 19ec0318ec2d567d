"""What a sheet of paper says, whoever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``widths`` are parts of the page's width; columns named in ``right`` are amounts."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[int]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What stands on it, from top to bottom. ``at`` is when it became what it is; a clock is never asked."""

    title: str
    language: str
    at: datetime
    from_lines: Sequence[str] = ()
    to_lines: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    sums: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = field(default=())

"""Rows as forms and addresses name them: anything that names none becomes what no row has."""

from __future__ import annotations

from uuid import UUID

NIL = UUID(int=0)


def row_number(text: str | None) -> int:
    """0 for what is no number of a row."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else 0


def row_uuid(text: str | None) -> UUID:
    """The nil UUID for what is none."""
    try:
        return UUID(text or "")
    except ValueError:
        return NIL

"""A statement as CSV (RFC 4180, UTF-8) that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import date

COLUMNS = ("at", "reference", "text", "account", "currency", "amount_minor")
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"-?[0-9]+\Z")


def inert(cell: str) -> str:
    """Text that a spreadsheet takes as text: what could begin a formula gets an apostrophe (OWASP's advice)."""
    begins = cell.lstrip(" \u3000").startswith(_STARTS_FORMULA) or cell.startswith(_STARTS_FORMULA)
    return f"'{cell}" if begins and not _NUMBER.match(cell) else cell


def csv_of(rows: Iterable[tuple[str, ...]]) -> str:
    """``rows`` have one cell for each of COLUMNS; the first line names them."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([inert(cell) for cell in row] for row in rows)
    return written.getvalue()


def month_named(text: str) -> date:
    """``2026-11`` → its first day. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text, flags=re.ASCII):
        raise ValueError(text)
    return date(int(text[:4]), int(text[5:]), 1)

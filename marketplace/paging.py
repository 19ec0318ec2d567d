"""Cursor paging: opaque, stable while rows come and go, by a key that never changes."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from accounts.domain.refusals import Refusal

PAGE_SIZE = 25
OFFSET_MAX = 10_000
Row = TypeVar("Row", bound=Model)


class Page(list[Row]):
    """The rows of one page, newest first, and the cursors beside it; None where there is nothing further."""

    next: str | None = None
    previous: str | None = None


def page(rows: QuerySet[Row], cursor: str, size: int = PAGE_SIZE) -> Page[Row]:
    """One page of ``rows`` ordered by falling primary key. Raises Refusal (400) for a cursor that is none of ours."""
    direction, position = _decode(cursor) if cursor else ("after", None)
    if direction == "from":
        raise _invalid()
    if direction == "after":
        ordered = rows.order_by("-pk") if position is None else rows.order_by("-pk").filter(pk__lt=position)
    else:
        ordered = rows.order_by("pk").filter(pk__gt=position)
    found = list(ordered[: size + 1])
    has_more = len(found) > size
    shown: Page[Row] = Page(found[:size] if direction == "after" else reversed(found[:size]))
    if shown:
        if has_more or direction == "before":
            shown.next = _encode("after", shown[-1].pk)
        if position is not None and (has_more or direction == "after"):
            shown.previous = _encode("before", shown[0].pk)
    return shown


def read_offset(cursor: str) -> int:
    """Where a ranked search goes on. A rank has no key to go on from, so this cursor counts. Raises Refusal (400)."""
    if not cursor:
        return 0
    direction, position = _decode(cursor)
    if direction != "from" or position > OFFSET_MAX:
        raise _invalid()
    return position


def write_offset(position: int) -> str | None:
    """None beyond what anybody reads: a deep offset costs the database more than it helps."""
    return _encode("from", position) if position <= OFFSET_MAX else None


def _encode(direction: str, key: Any) -> str:
    return base64.urlsafe_b64encode(f"{direction}:{key}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, int]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        direction, key = text.split(":")
        position = int(key)
        if direction not in ("after", "before", "from") or not 0 <= position < 1 << 63:
            raise ValueError(cursor)
    except (binascii.Error, UnicodeError, ValueError):
        raise _invalid() from None
    return direction, position


def _invalid() -> Refusal:
    return Refusal("cursor_invalid", _("This cursor is none of ours."), _("Start again without a cursor."))

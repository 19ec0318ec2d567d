"""Cursor paging: opaque, stable while rows come and go, by a number that only ever grows and never changes."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from accounts.domain.refusals import Refusal

PAGE_SIZE = 25
PAGE_SIZE_MAX = 100
Row = TypeVar("Row", bound=Model)


class Page(list[Row]):
    """The rows of one page, newest first, and the cursors beside it; None where there is nothing further."""

    next: str | None = None
    previous: str | None = None


def page(rows: QuerySet[Row], cursor: str, size: int = PAGE_SIZE, *, key: str = "pk") -> Page[Row]:
    """One page of ``rows``, ordered by falling ``key`` (a unique integer column).

    Raises Refusal (400) ``cursor_invalid`` for a cursor that is none of ours.
    """
    direction, position = _decode(cursor) if cursor else ("after", None)
    if direction == "after":
        ordered = (
            rows.order_by(f"-{key}")
            if position is None
            else rows.order_by(f"-{key}").filter(**{f"{key}__lt": position})
        )
    else:
        ordered = rows.order_by(key).filter(**{f"{key}__gt": position})
    found = list(ordered[: size + 1])
    has_more = len(found) > size
    shown: Page[Row] = Page(found[:size] if direction == "after" else reversed(found[:size]))
    if shown:
        if has_more or direction == "before":
            shown.next = _encode("after", getattr(shown[-1], key))
        if position is not None and (has_more or direction == "after"):
            shown.previous = _encode("before", getattr(shown[0], key))
    return shown


def _encode(direction: str, key: int) -> str:
    return base64.urlsafe_b64encode(f"{direction}:{key}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, int]:
    try:
        text = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        direction, key = text.split(":")
        if direction not in ("after", "before") or not (key.isascii() and key.isdigit()) or len(key) > 18:
            raise ValueError(cursor)
    except (binascii.Error, UnicodeError, ValueError):
        raise Refusal("cursor_invalid", _("This cursor is none of ours."), _("Start again without a cursor.")) from None
    return direction, int(key)

"""What is left of something paid for, when another thing takes its place. Whole minor units, rounded down."""

from __future__ import annotations

from datetime import datetime, timedelta


def unused_minor(
    price_minor: int, *, now: datetime, end: datetime | None, start: datetime | None = None, days: int | None = None
) -> int:
    """The part of a price that lies after ``now``; all of it where there is no end.

    The price was for the time from ``start`` to ``end``, or for so many ``days``.
    """
    if end is None:
        return price_minor
    length = timedelta(days=days) if days else end - (start or now)
    left = end - now
    if left <= timedelta(0) or length <= timedelta(0):
        return 0
    # In whole seconds: a time span times a large price would be too long for Python.
    seconds = min(int(left.total_seconds()), int(length.total_seconds()))
    return price_minor * seconds // int(length.total_seconds())

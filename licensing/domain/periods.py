"""Calendar months and years, as people count them."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime


def after_interval(start: datetime, interval: str) -> datetime:
    """The same day of the next month or year, or the last day of a shorter month."""
    month = start.month - 1 + {"month": 1, "year": 12}[interval]
    year, month = start.year + month // 12, month % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))


def month_of(moment: datetime) -> date:
    """The first day of the calendar month (UTC)."""
    return moment.astimezone(UTC).date().replace(day=1)

"""When a grant permits. ``licensing.selectors.current_grants`` asks the database the same."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

State = Literal["not_started", "current", "ended", "revoked"]


def state_of(*, starts_at: datetime, ends_at: datetime | None, revoked_at: datetime | None, now: datetime) -> State:
    """A grant permits from its start until just before its end; only ``current`` permits."""
    if revoked_at is not None:
        return "revoked"
    if ends_at is not None and ends_at <= now:
        return "ended"
    return "current" if starts_at <= now else "not_started"

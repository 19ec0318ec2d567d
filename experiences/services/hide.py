"""Hiding an experience from everybody but its publisher, and showing it again; who decides that is above."""

from __future__ import annotations

from datetime import datetime

from experiences.models import Experience


def set_hidden(experience_id: int, *, at: datetime | None, reason: str = "") -> None:
    """Hide it since ``at`` for a reason (a code), or show it again with None. Call it in the deciding transaction."""
    Experience.objects.filter(pk=experience_id).update(hidden_at=at, hidden_reason=reason if at else "")

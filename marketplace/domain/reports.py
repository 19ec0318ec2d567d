"""What a report from the field means: whether it reached a step, and when divergence asks for a new proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

DIVERGENCE_PAUSE = timedelta(hours=24)
"""At most one new proof per version and pause."""
TROUBLING = ("diverged", "failed")
REACHED = ("succeeded", "diverged", "failed")


def reached_a_step(outcome: str, steps: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the replay succeeded or carried out at least one step: only then there is something to rate."""
    return outcome == "succeeded" or any(step.get("status") in REACHED for step in steps)


def asks_for_proof(*, troubles: int, enough: int, last_asked_at: datetime | None, now: datetime) -> bool:
    """Whether ``troubles`` diverged or failed reports since the last proof are ``enough`` to prove it again."""
    rested = last_asked_at is None or now - last_asked_at >= DIVERGENCE_PAUSE
    return troubles >= enough and rested

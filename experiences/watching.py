"""Reading the live log of verifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiences.models import ProgressLog, Verification, Version


@dataclass(frozen=True)
class Watched:
    """The newest verification in one environment and what it is at."""

    row: Verification
    attempt: int
    entries: list[dict[str, Any]]

    @property
    def missing(self) -> int:
        """How many entries before the first one are kept no more."""
        return int(self.entries[0]["number"]) - 1 if self.entries else 0


def watched(version: Version) -> list[Watched]:
    """The newest verification of each environment, in two queries."""
    rows = version.verifications.prefetch_related("results").order_by("environment_name", "-created_at")
    newest = list(rows.distinct("environment_name"))
    logs = ProgressLog.objects.in_bulk([row.pk for row in newest])
    return [_watched(row, logs.get(row.pk)) for row in newest]


def watched_one(row: Verification) -> Watched:
    return _watched(row, ProgressLog.objects.filter(pk=row.pk).first())


def _watched(row: Verification, log: ProgressLog | None) -> Watched:
    return Watched(row, log.attempt if log else 0, log.entries if log else [])

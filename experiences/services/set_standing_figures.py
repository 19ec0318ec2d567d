"""Writing down how good an experience is and how often it was replayed, as a layer above reckons it.

Ratings, reports and their formula live above; here is only what a search orders by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from experiences.models import Experience


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingFigures:
    """``quality`` from 0 to 1, None while nothing is known; ``replay_count`` of all versions together."""

    experience_id: int
    quality: float | None
    replay_count: int

    def __post_init__(self) -> None:
        if self.quality is not None and not (math.isfinite(self.quality) and 0 <= self.quality <= 1):
            raise ValueError(f"quality is a share from 0 to 1, not {self.quality}")
        if not 0 <= self.replay_count < 1 << 31:
            raise ValueError(f"replay_count is a count, not {self.replay_count}")


def set_standing_figures(figures: Iterable[StandingFigures]) -> int:
    """Write the figures and return how many experiences changed; equal figures write nothing.

    It may be called inside a transaction. Rows are locked in the order of their ids, so that two writers wait for
    each other instead of both giving up; of two figures for one experience the later counts.
    """
    wanted = {item.experience_id: item for item in figures}
    with transaction.atomic():
        rows = list(
            Experience.objects.select_for_update(no_key=True)
            .filter(pk__in=wanted)
            .only("pk", "quality", "replay_count")
            .order_by("pk")
        )
        changed = []
        for row in rows:
            item = wanted[row.pk]
            if (row.quality, row.replay_count) != (item.quality, item.replay_count):
                row.quality, row.replay_count = item.quality, item.replay_count
                changed.append(row)
        Experience.objects.bulk_update(changed, ["quality", "replay_count"])
    return len(changed)

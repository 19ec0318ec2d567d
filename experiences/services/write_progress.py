"""Writing what a proof is at where people can watch it: seldom, bounded, and only while the row is ours."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from experiences.domain.progress import Entries
from experiences.models import ProgressLog, Verification
from experiences.services.claim import held

KEPT = timedelta(hours=1)
"""After the verdict: whoever watches sees the end; the evidence says it all from then on."""


class ProgressWriter:
    """Writes the entries of one attempt; one row however long it takes."""

    def __init__(self, row: Verification, entries: Entries) -> None:
        self._row, self._entries, self._written = row, entries, 0

    def write(self) -> None:
        """Nothing happens while nothing is new. A worker that lost its row does not write over what another writes."""
        found = self._entries.newer_than(self._written)
        if found is None:
            return
        with transaction.atomic():
            ours = held(self._row).select_for_update(of=("self",), no_key=True).values_list("pk").first()
            if ours is not None:
                ProgressLog.objects.update_or_create(
                    verification_id=self._row.pk,
                    defaults={"attempt": self._row.attempts, "entries": found, "updated_at": Now()},
                )
        self._written = found[-1]["number"]


def forget_progress() -> int:
    """Drop the logs of what was concluded a while ago. How many."""
    old = ProgressLog.objects.filter(
        verification__state=Verification.State.DONE, verification__finished_at__lt=Now() - KEPT
    )
    return old.delete()[0]

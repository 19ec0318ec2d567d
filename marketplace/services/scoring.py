"""Asking for the quality of an experience to be worked out anew."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from experiences.services.queueing import room_in, send
from marketplace.models import QualityScore

TASK, QUEUE = "marketplace.tasks.refresh_quality", "default"


def ask_for_score(experience_id: int) -> None:
    """Call it last in the transaction that changed something that counts. The row asks; the message only nudges."""
    rows = QualityScore.objects.filter(pk=experience_id)
    if not rows.update(asked=F("asked") + 1):
        QualityScore.objects.bulk_create([QualityScore(experience_id=experience_id)], ignore_conflicts=True)
        rows.update(asked=F("asked") + 1)
    transaction.on_commit(nudge, robust=True)


def nudge() -> None:
    """One message, unless enough of them wait already."""
    if room_in(QUEUE):
        send(TASK, QUEUE, [()])

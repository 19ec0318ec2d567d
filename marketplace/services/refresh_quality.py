"""Work out the quality of experiences whose evidence has changed, or has aged since the last time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from experiences.models import Experience, Verification
from experiences.services.set_standing_figures import StandingFigures, set_standing_figures
from marketplace.domain.quality import FORMULA, score
from marketplace.models import QualityScore
from marketplace.quality import evidence_of, replays_of

logger = logging.getLogger(__name__)
BATCH = 100
AGES_AFTER = timedelta(hours=24)
"""Proofs lose worth by the day, so a score is never older than that."""
LOOKED_BACK = timedelta(days=2)
"""Verdicts are looked at for so long, in case beat stood still."""
OUT_OF_ORDER = 1000


def refresh_quality(*, limit: int = BATCH) -> int:
    """Work out what is due, what was asked for first. How many were; call it again while it is ``limit``."""
    _open_missing(limit)
    numbers = _due(limit)
    for number in numbers:
        try:
            refresh_one(number)
        except Exception:
            # A bug, and no reason to leave all others waiting; it stays due and is told of each time.
            logger.exception("the quality of experience %s cannot be worked out", number)
    return len(numbers)


def refresh_one(experience_id: int) -> QualityScore:
    """Two at once do no harm: what was asked for meanwhile stays asked for."""
    row, _created = QualityScore.objects.get_or_create(experience_id=experience_id)
    asked, now = row.asked, timezone.now()
    experience = Experience.objects.select_related("organization", "latest").get(pk=experience_id)
    found = score(evidence_of(experience, experience.latest)) if experience.latest else None
    replays = replays_of(experience)
    with transaction.atomic():
        # What knew less must not replace what knew more.
        written = QualityScore.objects.filter(pk=experience_id, answered__lte=asked).update(
            value=found.value if found else None,
            formula=FORMULA,
            components=[asdict(item) for item in found.components] if found else [],
            answered=asked,
            computed_at=now,
        )
        if written:
            value = found.value if found else None
            set_standing_figures([StandingFigures(experience_id=experience_id, quality=value, replay_count=replays)])
    row.refresh_from_db()
    return row


def _due(limit: int) -> list[int]:
    rows = QualityScore.objects.filter(Q(asked__gt=F("answered")) | Q(computed_at=None))
    due = list(rows.order_by("asked", "pk").values_list("pk", flat=True)[:limit])
    for more in (_with_new_verdicts, _aged):
        if len(due) < limit:
            due += [number for number in more(limit) if number not in due]
    return due[:limit]


def _with_new_verdicts(limit: int) -> Iterable[int]:
    """Verdicts are written by the layer below, which knows of no scores."""
    rows = Verification.objects.filter(
        started_at__gt=timezone.now() - LOOKED_BACK,
        state=Verification.State.DONE,
        finished_at__gt=F("version__experience__score__computed_at"),
    )
    signed = Verification.objects.filter(
        started_at__gt=timezone.now() - LOOKED_BACK,
        attestation__created_at__gt=F("version__experience__score__computed_at"),
    )
    return {
        number for found in (rows, signed) for number in found.values_list("version__experience_id", flat=True)[:limit]
    }


def _aged(limit: int) -> Iterable[int]:
    rows = QualityScore.objects.filter(computed_at__lt=timezone.now() - AGES_AFTER).order_by("computed_at")
    return rows.values_list("pk", flat=True)[:limit]


def _open_missing(limit: int) -> None:
    """Every experience has a row. Numbers rise; one below the newest may still have been uncommitted the last time."""
    newest = QualityScore.objects.aggregate(newest=Max("pk"))["newest"] or 0
    missing = Experience.objects.filter(pk__gt=newest - OUT_OF_ORDER, score=None).order_by("pk")
    QualityScore.objects.bulk_create(
        [QualityScore(experience_id=number) for number in missing.values_list("pk", flat=True)[:limit]],
        ignore_conflicts=True,
    )

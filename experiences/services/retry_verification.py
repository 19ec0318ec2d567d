"""An operator lets a verification be tried again at once, out of quarantine or before its pause is over."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now

from accounts.actors import Actor
from accounts.services import audit
from experiences.models import Verification
from experiences.services.queueing import nudge_after_commit


def retry(*, actor: Actor, ids: Sequence[str] = ()) -> int:
    """Queue these open rows anew with their attempts forgotten; without ids all quarantined ones. How many."""
    with transaction.atomic(durable=True):
        waiting = Verification.objects.select_for_update(of=("self",)).filter(state=Verification.State.QUEUED)
        chosen = waiting.filter(pk__in=ids) if ids else waiting.filter(quarantined_at__isnull=False)
        rows = list(chosen.select_related("version__experience__organization"))
        Verification.objects.filter(pk__in=[row.pk for row in rows]).update(
            quarantined_at=None, attempts=0, not_before=Now(), operator_note=""
        )
        for row in rows:
            audit.record(
                actor=actor,
                action="verification.retry",
                target=str(row.version),
                organization_id=row.version.experience.organization_id,
                details={"verification": str(row.pk), "attempts": row.attempts, "note": row.operator_note},
            )
        if rows:
            nudge_after_commit(len(rows))
    return len(rows)

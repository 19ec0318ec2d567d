"""Taking the next verification: one worker gets it, under a lease that it must keep alive."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from experiences.models import Verification


def lease() -> timedelta:
    return timedelta(seconds=settings.KEIKEN.lease_seconds)


def claim(*, environments: Sequence[str], worker: str = "") -> Verification | None:
    """The most urgent waiting row of these environments, now running under a fresh token; None when none waits."""
    now = timezone.now()
    with transaction.atomic(durable=True):
        row = (
            Verification.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=Verification.State.QUEUED, not_before__lte=now, environment_name__in=environments)
            .order_by("-priority", "not_before", "created_at")
            .first()
        )
        if row is None:
            return None
        row.state = Verification.State.RUNNING
        row.lease_token = uuid.uuid4()
        row.lease_until = now + lease()
        row.attempts += 1
        row.worker = worker or socket.gethostname()
        row.started_at = now
        row.operator_note = ""
        row.save(
            update_fields=["state", "lease_token", "lease_until", "attempts", "worker", "started_at", "operator_note"]
        )
    return row


def extend_lease(row: Verification) -> bool:
    """Whether it is still ours; then it is ours for another lease."""
    updated = Verification.objects.filter(
        pk=row.pk, state=Verification.State.RUNNING, lease_token=row.lease_token
    ).update(lease_until=timezone.now() + lease())
    return bool(updated)


def give_back(row: Verification, *, note: str, seconds: float, burns_attempt: bool) -> bool:
    """Queue it again for later, if it is still ours. ``note`` tells the operator why it waits."""
    changes = {
        "state": Verification.State.QUEUED,
        "lease_token": None,
        "lease_until": None,
        "not_before": timezone.now() + timedelta(seconds=seconds),
        "operator_note": note[:2000],
    }
    if not burns_attempt:
        changes["attempts"] = F("attempts") - 1
    mine = Verification.objects.filter(pk=row.pk, state=Verification.State.RUNNING, lease_token=row.lease_token)
    return bool(mine.update(**changes))


def release_stale() -> int:
    """Queue again what a silent worker held. How many."""
    stale = Verification.objects.filter(state=Verification.State.RUNNING, lease_until__lt=timezone.now())
    return stale.update(state=Verification.State.QUEUED, lease_token=None, lease_until=None)

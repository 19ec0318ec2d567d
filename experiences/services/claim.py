"""Taking the next verification: one worker gets it, under a lease that it must keep alive.

Times are the database's: workers on machines whose clocks differ agree on who holds what.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DurationField, F, QuerySet, Value, When
from django.db.models.functions import Now

from experiences.domain.storable import storable_text
from experiences.models import Verification

RETRY_SECONDS = (10, 60, 300, 1800, 6 * 3600)
"""The pause after the first, second, … attempt without a verdict. The last one goes on: a row is never given up."""
NOTE_CHARACTERS = 2_000
FREE: dict[str, Any] = {"state": Verification.State.QUEUED, "lease_token": None, "lease_until": None}


def pause_seconds(attempts: int) -> int:
    """How long to wait after so many attempts."""
    return RETRY_SECONDS[min(max(attempts, 1), len(RETRY_SECONDS)) - 1]


def lease() -> timedelta:
    return timedelta(seconds=settings.KEIKEN.lease_seconds)


def claim(*, environments: Sequence[str], worker: str = "") -> Verification | None:
    """The most urgent waiting row of these environments, now running under a fresh token; None when none waits."""
    with transaction.atomic(durable=True):
        row = (
            Verification.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=Verification.State.QUEUED, not_before__lte=Now(), environment_name__in=environments)
            .order_by("-priority", "not_before", "created_at")
            .only("pk")
            .first()
        )
        if row is None:
            return None
        Verification.objects.filter(pk=row.pk).update(
            state=Verification.State.RUNNING,
            lease_token=uuid.uuid4(),
            lease_until=Now() + lease(),
            attempts=F("attempts") + 1,
            worker=(worker or f"{socket.gethostname()} {os.getpid()}")[:100],
            started_at=Now(),
            operator_note="",
        )
        return Verification.objects.select_related("version__experience__organization", "version__blob").get(pk=row.pk)


def held(row: Verification) -> QuerySet[Verification]:
    """The row, if it still is this worker's."""
    return Verification.objects.filter(pk=row.pk, state=Verification.State.RUNNING, lease_token=row.lease_token)


def extend_lease(row: Verification) -> bool:
    """Whether it is still ours; then it is ours for another lease."""
    return bool(held(row).update(lease_until=Now() + lease()))


def give_back(row: Verification, *, note: str, seconds: float, burns_attempt: bool) -> bool:
    """Queue it again for later, if it is still ours. ``note`` tells the operator why it waits."""
    changes: dict[str, Any] = {
        **FREE,
        "not_before": Now() + timedelta(seconds=seconds),
        "operator_note": storable_text(note)[:NOTE_CHARACTERS],
    }
    if not burns_attempt:
        changes["attempts"] = F("attempts") - 1
    return bool(held(row).update(**changes))


def release_stale() -> int:
    """Queue again what silent workers held; how many rows.

    The first time at once: workers are stopped and machines fail. What outlives several workers may be what ends
    them, so it then waits as long as after any other attempt without a verdict.
    """
    pauses = [When(attempts=number, then=Value(_pause(number))) for number in range(2, len(RETRY_SECONDS))]
    pause = Case(
        When(attempts__lte=1, then=Value(timedelta(0))),
        *pauses,
        default=Value(_pause(len(RETRY_SECONDS))),
        output_field=DurationField(),
    )
    stale = Verification.objects.filter(state=Verification.State.RUNNING, lease_until__lt=Now())
    return stale.update(**FREE, not_before=Now() + pause, operator_note="The worker that held it went silent.")


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=pause_seconds(attempts))


def tell_waiting(*, environments: Sequence[str], note: str) -> None:
    """Note on every row that waits for these environments why nobody takes it."""
    text = storable_text(note)[:NOTE_CHARACTERS]
    waiting = Verification.objects.filter(state=Verification.State.QUEUED, environment_name__in=environments)
    waiting.exclude(operator_note=text).update(operator_note=text)

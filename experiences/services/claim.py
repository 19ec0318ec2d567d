"""Taking the next verification: one worker gets it, under a lease that it must keep alive.

Times are the database's: workers on machines whose clocks differ agree on who holds what.
"""

from __future__ import annotations

import os
import random
import socket
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, DateTimeField, DurationField, F, QuerySet, Value, When
from django.db.models.functions import Now

from experiences.domain.storable import storable_text
from experiences.models import Verification

RETRY_SECONDS = (10, 60, 300, 1800, 6 * 3600)
"""The pause after the first, second, … attempt without a verdict, before jitter."""
JITTER = 0.25
"""A pause is longer by up to this share, so that what failed together does not come back together."""
QUARANTINE_ATTEMPTS = 6
"""After so many attempts without a verdict a row waits for an operator: it may be what ends the workers."""
AGING_SECONDS = 900
"""A waiting row gains one point of priority in this time, so that even the least urgent one is taken some day."""
SHARE_SECONDS = 600
"""Each verification an organization got within this time costs its waiting ones a point of priority."""
NOTE_CHARACTERS = 2_000
FREE: dict[str, Any] = {"state": Verification.State.QUEUED, "lease_token": None, "lease_until": None}


def pause_seconds(attempts: int) -> float:
    """How long to wait after so many attempts, with jitter."""
    return _least_pause(attempts) * (1 + random.random() * JITTER)  # spreads load, guards nothing


def _least_pause(attempts: int) -> int:
    return RETRY_SECONDS[min(max(attempts, 1), len(RETRY_SECONDS)) - 1]


def lease() -> timedelta:
    return timedelta(seconds=settings.KEIKEN.lease_seconds)


CLAIM = """
WITH served AS (
    SELECT experience.organization_id, count(*) AS turns
    FROM experiences_verification AS taken
    JOIN experiences_version AS version ON version.id = taken.version_id
    JOIN experiences_experience AS experience ON experience.id = version.experience_id
    WHERE taken.started_at > statement_timestamp() - %(share)s
    GROUP BY experience.organization_id
), picked AS MATERIALIZED (
    SELECT waiting.id
    FROM experiences_verification AS waiting
    JOIN experiences_version AS version ON version.id = waiting.version_id
    JOIN experiences_experience AS experience ON experience.id = version.experience_id
    LEFT JOIN served ON served.organization_id = experience.organization_id
    WHERE waiting.state = 'queued' AND waiting.quarantined_at IS NULL
        AND waiting.not_before <= statement_timestamp() AND waiting.environment_name = ANY (%(environments)s)
    ORDER BY waiting.priority - coalesce(served.turns, 0)
            + floor(extract(epoch FROM statement_timestamp() - waiting.not_before) / %(aging)s) DESC,
        waiting.priority DESC, waiting.not_before, waiting.created_at
    LIMIT 1
    FOR UPDATE OF waiting SKIP LOCKED
)
UPDATE experiences_verification AS row
SET state = 'running', lease_token = %(token)s, lease_until = statement_timestamp() + %(lease)s,
    attempts = attempts + 1, worker = %(worker)s, started_at = statement_timestamp(), operator_note = ''
FROM picked WHERE row.id = picked.id
RETURNING row.id
"""
"""The score of a waiting row: its priority, more for its wait, less for each turn its organization had of late.

So an organization with hundreds of rows goes first only until its turns have used up what its rows are more urgent.
"""


def claim(*, environments: Sequence[str], worker: str = "") -> Verification | None:
    """The waiting row of these environments whose turn it is, running under a fresh token; None when none waits."""
    values: Mapping[str, Any] = {
        "share": timedelta(seconds=SHARE_SECONDS),
        "aging": AGING_SECONDS,
        "environments": list(environments),
        "token": uuid.uuid4(),
        "lease": lease(),
        "worker": (worker or f"{socket.gethostname()} {os.getpid()}")[:100],
    }
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, values)
            found = cursor.fetchone()
        if found is None:
            return None
        related = ("version__experience__organization", "version__blob")
        return Verification.objects.select_related(*related).get(pk=found[0])


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
    elif row.attempts >= QUARANTINE_ATTEMPTS:
        changes["quarantined_at"] = Now()
    return bool(held(row).update(**changes))


def release_stale() -> int:
    """Queue again what silent workers held; how many rows.

    The first time at once: workers are stopped and machines fail. What outlives several workers may be what ends
    them, so it then waits as long as after any other attempt without a verdict, and is quarantined like one.
    """
    pauses = [When(attempts=number, then=Value(_pause(number))) for number in range(2, len(RETRY_SECONDS))]
    pause = Case(
        When(attempts__lte=1, then=Value(timedelta(0))),
        *pauses,
        default=Value(_pause(len(RETRY_SECONDS))),
        output_field=DurationField(),
    )
    stale = Verification.objects.filter(state=Verification.State.RUNNING, lease_until__lt=Now())
    quarantine = Case(When(attempts__gte=QUARANTINE_ATTEMPTS, then=Now()), default=None, output_field=DateTimeField())
    note = "The worker that held it went silent."
    return stale.update(**FREE, not_before=Now() + pause, quarantined_at=quarantine, operator_note=note)


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=pause_seconds(attempts))


def tell_waiting(*, environments: Sequence[str], note: str) -> None:
    """Note on every row that waits for these environments why nobody takes it."""
    text = storable_text(note)[:NOTE_CHARACTERS]
    waiting = Verification.objects.filter(state=Verification.State.QUEUED, environment_name__in=environments)
    waiting.exclude(operator_note=text).update(operator_note=text)

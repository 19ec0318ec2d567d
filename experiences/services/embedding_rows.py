"""The rows behind vectors: wanted with a listing, claimed in batches, concluded by who still holds them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.services.outbox import nudge_after_commit
from experiences.embedding import BATCH_SECONDS, NoVectors, Vectors, signs_of, space
from experiences.models import Embedding

TASK = "experiences.tasks.embed_listings"
BATCH = 32
LEASE = timedelta(seconds=2 * BATCH_SECONDS + 30)
PAUSES_SECONDS = (30, 120, 600, 3600, 6 * 3600)
"""The last one is repeated: an endpoint that is back after a week still gets every text."""
JITTER = 0.25
WANTED_AT_ONCE = 5_000
_FREE: dict[str, Any] = {"lease_token": None, "lease_until": None}

_WANT = """
INSERT INTO experiences_embedding
    (experience_id, version_id, space, vector, signs, is_alone, attempts, not_before, note)
SELECT entry.experience_id, entry.version_id, %(space)s, '', '', false, 0, statement_timestamp(), ''
FROM experiences_searchentry AS entry
LEFT JOIN experiences_embedding AS known ON known.experience_id = entry.experience_id
WHERE entry.version_id IS NOT NULL
    AND (%(numbers)s::bigint[] IS NULL OR entry.experience_id = ANY (%(numbers)s::bigint[]))
    AND (known.version_id, known.space) IS DISTINCT FROM (entry.version_id, %(space)s)
ORDER BY entry.experience_id
LIMIT %(limit)s
ON CONFLICT (experience_id) DO UPDATE
SET version_id = EXCLUDED.version_id, space = EXCLUDED.space, made_at = NULL, is_alone = false, attempts = 0,
    not_before = EXCLUDED.not_before, lease_token = NULL, lease_until = NULL, note = '',
    vector = CASE WHEN experiences_embedding.space = EXCLUDED.space THEN experiences_embedding.vector ELSE '' END,
    signs = CASE WHEN experiences_embedding.space = EXCLUDED.space THEN experiences_embedding.signs ELSE '' END
"""
"""Until its new text has a vector an experience keeps the one of the version before; one of another model is no use."""


def want_embeddings(experience_ids: Sequence[int] | None = None) -> int:
    """A job for each of these listings, or of all, that has no vector of its text and of the present model.

    It does nothing where no endpoint is configured, and may be called inside a transaction. How many are new.
    """
    if not space():
        return 0
    numbers = list(experience_ids) if experience_ids is not None else None
    with connection.cursor() as cursor:
        cursor.execute(_WANT, {"space": space(), "numbers": numbers, "limit": WANTED_AT_ONCE})
        found = int(cursor.rowcount)
    if found:
        nudge_after_commit(TASK)
    return found


def claim_batch() -> list[Embedding]:
    """Rows that are due, under one lease; those that are to be sent alone come alone."""
    due = Embedding.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lte=Now()),
        made_at__isnull=True,
        space=space(),
        not_before__lte=Now(),
    ).order_by("not_before", "pk")
    with transaction.atomic(durable=True):
        rows = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("version")[:BATCH])
        if rows:
            rows = rows[:1] if rows[0].is_alone else [row for row in rows if not row.is_alone]
        token = uuid.uuid4()
        for row in rows:
            row.lease_token, row.attempts = token, row.attempts + 1
            Embedding.objects.filter(pk=row.pk).update(
                lease_token=token, lease_until=Now() + LEASE, attempts=row.attempts
            )
    return rows


def keep_vectors(rows: Sequence[Embedding], vectors: Vectors) -> int:
    """Write down those that are still ours: a version published meanwhile has asked for another text."""
    kept = 0
    stored, signs = vectors.astype("<f2"), signs_of(vectors)
    with transaction.atomic(durable=True):
        for number, row in sorted(enumerate(rows), key=lambda item: item[1].pk):
            kept += _held(row).update(
                **_FREE,
                vector=stored[number].tobytes(),
                signs=signs[number].tobytes(),
                made_at=Now(),
                attempts=0,
                note="",
            )
    return kept


def put_off(rows: Sequence[Embedding], error: NoVectors) -> None:
    """Try again later; where the endpoint refused a batch, each of its texts by itself and at once."""
    is_apart = error.is_about_texts and len(rows) > 1
    with transaction.atomic(durable=True):
        for row in sorted(rows, key=lambda row: row.pk):
            pause = 0.0 if is_apart else _pause_seconds(row.attempts)
            _held(row).update(
                **_FREE,
                is_alone=row.is_alone or is_apart,
                not_before=Now() + timedelta(seconds=pause),
                note=error.word[:100],
            )


def _held(row: Embedding) -> QuerySet[Embedding]:
    return Embedding.objects.filter(pk=row.pk, lease_token=row.lease_token)


def _pause_seconds(attempts: int) -> float:
    pause = PAUSES_SECONDS[min(attempts, len(PAUSES_SECONDS)) - 1]
    return pause * (1 + random.random() * JITTER)  # spreads load, guards nothing

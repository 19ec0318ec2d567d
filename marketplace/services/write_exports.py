"""The exports that people asked for are written, and forgotten when their time is over."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import PersonExport
from marketplace.exports import export_of

KEPT = timedelta(days=7)
PAUSE = timedelta(minutes=5)
"""Longer than an export takes; a worker that died over one leaves it to the next after so long."""
AT_ONCE = 10


def write_exports() -> int:
    """How many were written."""
    PersonExport.objects.filter(expires_at__lte=Now()).delete()
    written = 0
    for _turn in range(AT_ONCE):
        row = _claimed()
        if row is None:
            break
        content, now = export_of(row.person), timezone.now()
        held = PersonExport.objects.filter(pk=row.pk, lease_token=row.lease_token, finished_at__isnull=True)
        written += held.update(content=content, finished_at=now, expires_at=now + KEPT)
    return written


def _claimed() -> PersonExport | None:
    due = PersonExport.objects.filter(finished_at__isnull=True, not_before__lte=Now()).select_related("person")
    with transaction.atomic(durable=True):
        row = due.select_for_update(of=("self",), skip_locked=True).order_by("created_at").first()
        if row is None:
            return None
        row.lease_token, row.attempts = uuid.uuid4(), row.attempts + 1
        PersonExport.objects.filter(pk=row.pk).update(
            lease_token=row.lease_token, attempts=row.attempts, not_before=Now() + PAUSE * row.attempts
        )
    return row

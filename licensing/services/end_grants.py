"""Tidies up after grants that have run out: they permit nothing since their end, and now look like it."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.services import audit
from licensing.models import Grant
from licensing.services.permissions import take_permissions


def end_grants() -> int:
    """How many were closed. May run twice at once, and beside acceptances and revocations; may be killed anywhere."""
    ended = Grant.objects.filter(ends_at__lte=timezone.now(), revoked_at__isnull=True, closed_at__isnull=True)
    return sum(_close(grant_id) for grant_id in list(ended.values_list("pk", flat=True)))


def _close(grant_id: uuid.UUID) -> bool:
    with transaction.atomic(durable=True):
        still_open = Grant.objects.filter(pk=grant_id, revoked_at__isnull=True, closed_at__isnull=True)
        if not still_open.update(closed_at=timezone.now()):
            return False
        grant = Grant.objects.select_related("organization__group", "experience__organization").get(pk=grant_id)
        take_permissions(grant)
        audit.record(
            actor=SYSTEM,
            action="license.end",
            target=str(grant.experience),
            organization_id=grant.organization_id,
            details={"grant": str(grant.pk)},
        )
    return True

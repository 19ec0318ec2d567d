"""Tidies up after grants that have run out: they permit nothing since their end, and now look like it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from guardian.shortcuts import remove_perm

from accounts.actors import SYSTEM
from accounts.services import audit
from licensing.models import Grant
from licensing.services.accept_offer import PERMISSIONS


def end_grants() -> int:
    """How many were closed. May run twice at once."""
    now, closed = timezone.now(), 0
    for grant in Grant.objects.filter(ends_at__lte=now, revoked_at__isnull=True).select_related(
        "organization__group", "experience"
    ):
        with transaction.atomic(durable=True):
            if not Grant.objects.filter(pk=grant.pk, revoked_at__isnull=True).update(
                revoked_at=now, revoked_reason="ended"
            ):
                continue
            for permission in PERMISSIONS:
                remove_perm(f"experiences.{permission}", grant.organization.group, grant.experience)
            audit.record(
                actor=SYSTEM,
                action="license.end",
                target=str(grant.experience),
                organization_id=grant.organization_id,
                details={"grant": str(grant.pk)},
            )
            closed += 1
    return closed

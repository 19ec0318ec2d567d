"""Taking a version out of the listing: those who have it keep it, nobody new is led to it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.services import audit
from experiences.models import Experience, Version
from experiences.services.listing import choose_latest


def yank(*, actor: Actor, version: Version, reason: str) -> Version:
    """Yanking twice changes nothing. Raises Forbidden."""
    actor.require("publish", version.experience.organization_id)
    with transaction.atomic(durable=True):
        experience = Experience.objects.select_for_update().get(pk=version.experience_id)
        if Version.objects.filter(pk=version.pk, yanked_at__isnull=True).update(yanked_at=timezone.now()):
            choose_latest(experience)
            audit.record(
                actor=actor,
                action="version.yank",
                target=str(version),
                organization_id=experience.organization_id,
                details={"reason": reason[:300]},
            )
    version.refresh_from_db()
    return version

"""Taking a version out of the listing, and putting it back: those who have it keep it, nobody new is led to it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.services import audit, outbox
from experiences.access import concerned_organizations
from experiences.models import Experience, Version
from experiences.services.listing import choose_latest

REASON_MAX_LENGTH = 300


def yank(*, actor: Actor, version: Version, reason: str) -> Version:
    """Yanking twice changes nothing, and the first reason stays. Raises Forbidden, Invalid ``reason_invalid``."""
    actor.require("publish", version.experience.organization_id)
    reason = reason.strip()
    if len(reason) > REASON_MAX_LENGTH or "\0" in reason:
        raise Invalid(
            "reason_invalid",
            _("A reason has at most {limit} characters.").format(limit=REASON_MAX_LENGTH),
            _("Say why in a sentence: those who use the version read it."),
        )
    return _switch(actor, version, "version.yank", reason)


def unyank(*, actor: Actor, version: Version) -> Version:
    """Put it back into the listing; one that is there already stays as it is. Raises Forbidden."""
    actor.require("publish", version.experience.organization_id)
    return _switch(actor, version, "version.unyank", "")


def _switch(actor: Actor, version: Version, action: str, reason: str) -> Version:
    is_yanked = action == "version.yank"
    with transaction.atomic(durable=True):
        experience = Experience.objects.select_for_update().get(pk=version.experience_id)
        rows = Version.objects.filter(pk=version.pk, yanked_at__isnull=is_yanked)
        if rows.update(yanked_at=timezone.now() if is_yanked else None, yanked_reason=reason):
            choose_latest(experience)
            audit.record(
                actor=actor,
                action=action,
                target=str(version),
                organization_id=experience.organization_id,
                details={"reason": reason} if is_yanked else {},
            )
            data = {
                "experience": str(version.experience),
                "version": version.version,
                "is_yanked": is_yanked,
                "reason": reason,
            }
            outbox.tell("version.yanked", concerned_organizations(experience), data)
    version.refresh_from_db()
    return version

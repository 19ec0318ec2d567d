"""A publisher takes a license back: from the next request on it permits nothing."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from guardian.shortcuts import remove_perm

from accounts.actors import Actor
from accounts.services import audit
from licensing.access import given_grant_for
from licensing.models import Grant
from licensing.services.accept_offer import PERMISSIONS


def revoke_grant(*, actor: Actor, grant_id: Any, reason: str) -> Grant:
    """Revoking twice changes nothing. Raises Unauthenticated, Forbidden, NotFound."""
    actor.require("publish")
    grant = given_grant_for(actor, grant_id)
    with transaction.atomic(durable=True):
        changed = Grant.objects.filter(pk=grant.pk, revoked_at__isnull=True).update(
            revoked_at=timezone.now(), revoked_reason=reason[:300]
        )
        if changed:
            for permission in PERMISSIONS:
                remove_perm(f"experiences.{permission}", grant.organization.group, grant.experience)
            audit.record(
                actor=actor,
                action="license.revoke",
                target=str(grant.experience),
                organization_id=grant.experience.organization_id,
                details={"grant": str(grant.pk), "organization": grant.organization.slug, "reason": reason[:300]},
            )
    grant.refresh_from_db()
    return grant

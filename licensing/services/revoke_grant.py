"""A publisher takes a license back: from the next request on it permits nothing."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.services import audit
from licensing.access import given_grant_for
from licensing.models import Grant
from licensing.services.permissions import take_permissions

REASON_MAX_LENGTH = 300


def revoke_grant(*, actor: Actor, grant_id: Any, reason: str) -> Grant:
    """Revoking twice changes nothing, and the first reason stays.

    Raises Unauthenticated, Forbidden, NotFound, Invalid ``reason_invalid``, Conflict ``grant_ended``.
    """
    actor.require("publish")
    grant = given_grant_for(actor, grant_id)
    reason = reason.strip()
    if not reason or len(reason) > REASON_MAX_LENGTH or "\0" in reason:
        raise Invalid(
            "reason_invalid",
            _("Revoking a license needs a reason of at most {limit} characters.").format(limit=REASON_MAX_LENGTH),
            _("Say why in a sentence: the other organization reads it."),
        )
    with transaction.atomic(durable=True):
        is_open = Grant.objects.filter(pk=grant.pk, revoked_at__isnull=True, closed_at__isnull=True)
        if is_open.update(revoked_at=timezone.now(), revoked_reason=reason):
            take_permissions(grant)
            _record(actor, grant, reason)
    grant.refresh_from_db(fields=["revoked_at", "revoked_reason", "closed_at"])
    if grant.revoked_at is None:
        raise Conflict("grant_ended", _("This license has already ended."), _("There is nothing to revoke."))
    return grant


def _record(actor: Actor, grant: Grant, reason: str) -> None:
    """In the trail of who gave it, and of who had it."""
    details = {"grant": str(grant.pk), "organization": grant.organization.slug, "reason": reason}
    target, publisher_id = str(grant.experience), grant.experience.organization_id
    audit.record(actor=actor, action="license.revoke", target=target, organization_id=publisher_id, details=details)
    if grant.organization_id != publisher_id:
        audit.record(
            actor=actor.seen_from_outside(),
            action="license.revoked",
            target=target,
            organization_id=grant.organization_id,
            details=details,
        )

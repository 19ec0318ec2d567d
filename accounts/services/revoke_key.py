"""A key ends: from the next request on it is refused everywhere."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import ApiKey
from accounts.services import audit


def revoke_key(*, actor: Actor, key: ApiKey) -> None:
    """An owner may revoke every key, a person their own. Revoking twice changes nothing. Raises Forbidden."""
    is_own = actor.kind == "person" and key.person_id == actor.id
    actor.require("read" if is_own else "admin", key.organization_id)
    with transaction.atomic(durable=True):
        changed = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
        if changed:
            audit.record(actor=actor, action="key.revoke", target=key.prefix, organization_id=key.organization_id)

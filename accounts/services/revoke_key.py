"""A key ends: from the next request on it is refused everywhere."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import ApiKey
from accounts.services import audit


def revoke_key(*, actor: Actor, key: ApiKey) -> None:
    """An owner may revoke every key, a person their own, and every key itself. Again changes nothing.

    Raises Unauthenticated or Forbidden.
    """
    actor.require_known()
    is_own = actor.kind == "person" and key.person_id == actor.id
    is_itself = actor.api_key_id == key.pk
    if not is_own and not is_itself:
        actor.require("admin", key.organization_id)
    with transaction.atomic(durable=True):
        changed = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
        if changed:
            audit.record(actor=actor, action="key.revoke", target=key.prefix, organization_id=key.organization_id)

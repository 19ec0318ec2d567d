"""An environment profile is forgotten."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.models import EnvironmentProfile
from accounts.services import audit
from accounts.services.profiles import may_change


def delete_profile(*, actor: Actor, profile: EnvironmentProfile) -> None:
    """Deleting it twice at once changes nothing the second time. Raises Unauthenticated or Forbidden."""
    may_change(actor, profile)
    with transaction.atomic(durable=True):
        deleted, _rows = EnvironmentProfile.objects.filter(pk=profile.pk).delete()
        if deleted:
            audit.record(
                actor=actor, action="profile.delete", target=profile.name, organization_id=profile.organization_id
            )

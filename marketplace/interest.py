"""Who has an interest in a thing: the organization one acts for, and all others a person belongs to."""

from __future__ import annotations

from collections.abc import Set

from accounts.actors import Actor
from accounts.models import Membership


def belongs_to_any(actor: Actor, organization_ids: Set[int]) -> bool:
    """Whether the actor acts for one of them, or is a person who is a member of one."""
    if actor.organization_id in organization_ids:
        return True
    if actor.kind != "person" or actor.id is None:
        return False
    return Membership.objects.filter(person_id=actor.id, organization_id__in=organization_ids).exists()

"""Who has an interest in a thing: the organization one acts for, and all others a person belongs to."""

from __future__ import annotations

from collections.abc import Set

from accounts.actors import Actor
from accounts.models import Membership


def is_run_by_people_of(organization_id: int, publisher_id: int) -> bool:
    """Whether an owner of the organization belongs to the publisher now.

    Owners, and not members: the publisher could make somebody a member of its own, but nobody else chooses owners.
    """
    theirs = Membership.objects.filter(
        person__memberships__organization_id=organization_id,
        person__memberships__role=Membership.Role.OWNER,
        organization_id=publisher_id,
    )
    return organization_id != publisher_id and theirs.exists()


def belongs_to_any(actor: Actor, organization_ids: Set[int]) -> bool:
    """Whether the actor acts for one of them, or is a person who is a member of one."""
    if actor.organization_id in organization_ids:
        return True
    if actor.kind != "person" or actor.id is None:
        return False
    return Membership.objects.filter(person_id=actor.id, organization_id__in=organization_ids).exists()

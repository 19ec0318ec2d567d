"""An owner removes a member; their personal keys for the organization end with it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Membership, Organization, Person
from accounts.services import audit
from accounts.services.members import keep_an_owner, locked_members, membership_of


def remove_member(*, actor: Actor, organization: Organization, person: Person) -> None:
    """Raises Forbidden, NotFound, Conflict ``last_owner``."""
    with transaction.atomic(durable=True):
        members = locked_members(actor, organization)
        member = membership_of(members, person)
        if member.role == Membership.Role.OWNER:
            keep_an_owner(members, member)
        member.delete()
        person.groups.remove(organization.group)
        ended = organization.api_keys.filter(person=person, revoked_at__isnull=True)
        prefixes = sorted(ended.values_list("prefix", flat=True))
        ended.update(revoked_at=timezone.now())
        audit.record(
            actor=actor,
            action="member.remove",
            target=person.email,
            organization_id=organization.pk,
            details={"revoked_keys": prefixes},
        )

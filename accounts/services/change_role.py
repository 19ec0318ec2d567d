"""An owner changes what a member may do."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.models import Membership, Organization, Person
from accounts.services import audit
from accounts.services.members import keep_an_owner, known_role, locked_members, membership_of


def change_role(*, actor: Actor, organization: Organization, person: Person, role: str) -> Membership:
    """The member's keys shrink with the role at once. The same role again changes nothing.

    Raises Forbidden, NotFound, Invalid ``role_unknown``, Conflict ``last_owner``.
    """
    with transaction.atomic(durable=True):
        members = locked_members(actor, organization)
        known_role(role)
        member = membership_of(members, person)
        before = member.role
        if role == before:
            return member
        if before == Membership.Role.OWNER:
            keep_an_owner(members, member)
        member.role = role
        member.save(update_fields=["role"])
        audit.record(
            actor=actor,
            action="member.change_role",
            target=person.email,
            organization_id=organization.pk,
            details={"from": before, "to": role},
        )
    return member

"""What adding, changing and removing members share: the owner's right, and that one owner always stays."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid, NotFound
from accounts.models import Membership, Organization, Person


def locked_members(actor: Actor, organization: Organization) -> list[Membership]:
    """All memberships, locked, so that two owners cannot remove each other. Call it inside a transaction."""
    actor.require("admin", organization.pk)
    Organization.objects.select_for_update().get(pk=organization.pk)
    return list(organization.memberships.select_related("person"))


def membership_of(members: list[Membership], person: Person) -> Membership:
    found = next((member for member in members if member.person_id == person.pk), None)
    if found is None:
        raise NotFound(_("member"))
    return found


def keep_an_owner(members: list[Membership], leaving: Membership) -> None:
    """Raises Conflict ``last_owner`` when nobody could administer the organization afterwards."""
    owners = [member for member in members if member.role == Membership.Role.OWNER]
    if owners == [leaving]:
        raise Conflict(
            "last_owner", _("An organization keeps at least one owner."), _("Make somebody else an owner first.")
        )


def known_role(role: str) -> str:
    if role not in Membership.Role.values:
        raise Invalid("role_unknown", _("There is no role '{role}'.").format(role=role[:40]))
    return role

"""What the use cases about members share: the owner's right, looked up under the lock, and that one owner stays."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden, Invalid, NotFound
from accounts.models import Membership, Organization, Person


def locked_members(actor: Actor, organization: Organization) -> list[Membership]:
    """All memberships, locked, so that two owners cannot remove each other. Call it inside a transaction.

    Raises Unauthenticated or Forbidden, also when the actor was demoted or removed since the request began.
    """
    actor.require("admin", organization.pk)
    # FOR NO KEY UPDATE: rows of other tables that point to the organization go on being written meanwhile.
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    members = list(organization.memberships.select_related("person"))
    if not any(member.person_id == actor.id and member.role == Membership.Role.OWNER for member in members):
        raise Forbidden("not_an_owner", _("You are no longer an owner of this organization."), _("Ask an owner."))
    return members


def membership_of(members: list[Membership], person: Person) -> Membership:
    """Raises NotFound."""
    found = next((member for member in members if member.person_id == person.pk), None)
    if found is None:
        raise NotFound(_("member"))
    return found


def keep_an_owner(members: list[Membership], leaving: Membership) -> None:
    """Raises Conflict ``last_owner`` when nobody could administer the organization afterwards."""
    if not any(
        member.role == Membership.Role.OWNER and member.person.is_active for member in members if member != leaving
    ):
        raise Conflict(
            "last_owner", _("An organization keeps at least one owner."), _("Make somebody else an owner first.")
        )


def known_role(role: str) -> str:
    """Raises Invalid ``role_unknown``."""
    if role not in Membership.Role.values:
        raise Invalid(
            "role_unknown",
            _("There is no role '{role}'.").format(role=role[:40]),
            _("The roles are {roles}.").format(roles=", ".join(Membership.Role.values)),
        )
    return role


def require_oneself(actor: Actor, person: Person) -> None:
    """An account is its person's own, and no key's. Raises Unauthenticated, Forbidden ``session_required``."""
    actor.require_known()
    if actor.kind != "person" or actor.id != person.pk or actor.api_key_id is not None:
        raise Forbidden(
            "session_required",
            _("This is done by the person themselves, signed in and not with a key."),
            _("Sign in on the site."),
        )

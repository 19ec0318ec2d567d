"""An owner hands an organization over: another member becomes owner, they themselves become something else."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict
from accounts.models import Membership, Organization, Person
from accounts.services import audit
from accounts.services.members import known_role, locked_members, membership_of


def transfer_ownership(*, actor: Actor, organization: Organization, person: Person, own_role: str) -> Membership:
    """Both in one step, so that there is an owner at every moment. The new owner's membership.

    Raises Unauthenticated, Forbidden, NotFound, Invalid ``role_unknown``, Conflict ``transfer_to_oneself`` or
    ``person_inactive``.
    """
    with transaction.atomic(durable=True):
        members = locked_members(actor, organization)
        known_role(own_role)
        heir = membership_of(members, person)
        own = next(member for member in members if member.person_id == actor.id)
        if heir == own:
            raise Conflict("transfer_to_oneself", _("You are the owner already."), _("Choose another member."))
        if not heir.person.is_active:
            raise Conflict("person_inactive", _("This account is switched off."), _("Choose another member."))
        before = heir.role
        heir.role, own.role = Membership.Role.OWNER, own_role
        Membership.objects.bulk_update([heir, own], ["role"])
        audit.record(
            actor=actor,
            action="organization.transfer",
            target=heir.person.email,
            organization_id=organization.pk,
            details={"from": before, "own_role": own_role},
        )
    return heir

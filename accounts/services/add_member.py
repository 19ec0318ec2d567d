"""An owner adds a person who has an account."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.models import Membership, Organization, Person
from accounts.services import audit
from accounts.services.constraints import broken_constraint
from accounts.services.members import known_role, locked_members


def add_member(*, actor: Actor, organization: Organization, email: str, role: str) -> Membership:
    """Raises Forbidden, Invalid ``person_unknown`` or ``role_unknown``, Conflict ``member_already``."""
    try:
        with transaction.atomic(durable=True):
            return _add(actor, organization, email, role)
    except IntegrityError as error:
        if broken_constraint(error) != "membership_once":
            raise
        raise Conflict(
            "member_already", _("This person is already a member."), _("Change their role instead.")
        ) from None


def _add(actor: Actor, organization: Organization, email: str, role: str) -> Membership:
    locked_members(actor, organization)
    known_role(role)
    person = Person.objects.filter(email=email.strip().lower(), is_active=True).first()
    if person is None:
        raise Invalid(
            "person_unknown",
            _("Nobody has an account with this e-mail address."),
            _("Ask them to sign up first, then add them."),
        )
    member = Membership.objects.create(person=person, organization=organization, role=role)
    person.groups.add(organization.group)
    audit.record(
        actor=actor,
        action="member.add",
        target=person.email,
        organization_id=organization.pk,
        details={"role": role},
    )
    return member

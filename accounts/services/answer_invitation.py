"""Whoever was invited joins; or an owner takes the invitation back."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden
from accounts.models import Invitation, Membership, Organization, Person
from accounts.services import audit
from accounts.services.members import locked_members, require_oneself


def accept_invitation(*, actor: Actor, person: Person, invitation: Invitation) -> Membership:
    """The membership; accepting twice changes nothing. ``invitation`` comes from ``invitation_for``.

    The link came to the invited address, so it also shows that the address is theirs.
    Raises Unauthenticated, Forbidden ``session_required`` or ``invitation_for_another``, Conflict ``invitation_over``.
    """
    require_oneself(actor, person)
    if invitation.email.lower() != person.email.lower():
        raise Forbidden(
            "invitation_for_another",
            _("This invitation is for another e-mail address."),
            _("Sign in with the address it was sent to, or ask for one to yours."),
        )
    with transaction.atomic(durable=True):
        # As every change of members: the organization first, so that accepting and removing wait for each other.
        organization = Organization.objects.select_for_update(no_key=True).get(pk=invitation.organization_id)
        row = Invitation.objects.select_for_update().get(pk=invitation.pk)
        known = Membership.objects.filter(organization=organization, person=person).first()
        if known is not None and row.accepted_at is not None:
            return known
        is_over = bool(row.accepted_at or row.revoked_at) or row.expires_at <= timezone.now()
        if is_over or row.generation != invitation.generation:
            raise Conflict(
                "invitation_over", _("This invitation is over."), _("Ask an owner of the organization for a new one.")
            )
        Invitation.objects.filter(pk=row.pk).update(accepted_at=timezone.now())
        if known is not None:
            return known
        member = Membership.objects.create(person=person, organization=organization, role=row.role)
        person.groups.add(organization.group_id)
        audit.record(
            actor=actor,
            action="member.join",
            target=person.email,
            organization_id=organization.pk,
            details={"role": row.role, "invited_by": row.invited_by_id},
        )
    return member


def revoke_invitation(*, actor: Actor, invitation: Invitation) -> None:
    """Its link ends. Twice changes nothing. Raises Unauthenticated, Forbidden, Conflict ``invitation_over``."""
    with transaction.atomic(durable=True):
        locked_members(actor, invitation.organization)
        row = Invitation.objects.select_for_update().get(pk=invitation.pk)
        if row.accepted_at is not None:
            raise Conflict("invitation_over", _("It was accepted already."), _("Remove the member instead."))
        if row.revoked_at is None:
            Invitation.objects.filter(pk=row.pk).update(revoked_at=timezone.now())
            audit.record(actor=actor, action="member.uninvite", target=row.email, organization_id=row.organization_id)

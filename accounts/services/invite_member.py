"""An owner asks somebody in by e-mail, whether they have an account yet or not."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.models import Invitation, Organization
from accounts.services import audit
from accounts.services.invitations import LIFETIME, write_letter
from accounts.services.members import known_role, locked_members

OPEN_MAX = 50
"""Open invitations of one organization: a marketplace is no way to send mails to strangers."""


def invite_member(*, actor: Actor, organization: Organization, email: str, role: str) -> Invitation:
    """Inviting somebody again sends a new link with the role named now; the older link ends.

    Raises Unauthenticated, Forbidden, Invalid ``email_invalid`` or ``role_unknown``, Conflict ``member_already`` or
    ``invitations_too_many``.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid("email_invalid", " ".join(error.messages), _("Correct it and try again.")) from None
    with transaction.atomic(durable=True):
        members = locked_members(actor, organization)
        known_role(role)
        if any(member.person.email == email for member in members):
            raise Conflict("member_already", _("This person is already a member."), _("Change their role instead."))
        row = _invitation(actor, organization, email, role)
        write_letter(row)
        audit.record(
            actor=actor,
            action="member.invite",
            target=email,
            organization_id=organization.pk,
            details={"role": role, "expires_at": row.expires_at.isoformat()},
        )
    return row


def _invitation(actor: Actor, organization: Organization, email: str, role: str) -> Invitation:
    assert actor.id is not None, "locked_members found them among the owners"
    waiting = organization.invitations.filter(accepted_at__isnull=True, revoked_at__isnull=True)
    now = timezone.now()
    row = waiting.filter(email__iexact=email).first()
    if row is None:
        if waiting.filter(expires_at__gt=now).count() >= OPEN_MAX:
            raise Conflict(
                "invitations_too_many",
                _("At most {limit} invitations may be open at once.").format(limit=OPEN_MAX),
                _("Take some back, or wait until they are accepted."),
            )
        row = Invitation(organization=organization, email=email, generation=0)
    row.role, row.generation = role, row.generation + 1
    row.invited_by_id, row.invited_by_name = actor.id, actor.name[:100]
    row.sent_at, row.expires_at = now, now + LIFETIME
    row.save()
    return row

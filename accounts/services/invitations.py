"""What the use cases about invitations share: how long a link works, and the mail that carries it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.domain.invitation_links import token_of
from accounts.models import Invitation
from accounts.services.outgoing_mail import write_mail

LIFETIME = timedelta(days=7)


def write_letter(invitation: Invitation) -> None:
    """Call it inside the transaction that wrote the invitation. In the language of whoever invites."""
    link = settings.KEIKEN.site_url + reverse("invitation", args=[token_of(invitation.pk, invitation.generation)])
    organization = invitation.organization.name
    asked = _("{who} invites you to join {organization} on Keiken, as {role}.").format(
        who=invitation.invited_by_name, organization=organization, role=invitation.get_role_display()
    )
    until = _("The link works until {when} (UTC), for this e-mail address. Nothing happens if you ignore it.").format(
        when=f"{invitation.expires_at:%Y-%m-%d %H:%M}"
    )
    write_mail(
        to=invitation.email,
        subject=_("Invitation to {organization}").format(organization=organization),
        body=f"{asked}\n\n{link}\n\n{until}\n",
    )

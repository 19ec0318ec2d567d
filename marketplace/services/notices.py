"""Telling the author of something what reviewers decided and how to appeal: by mail to its owners, and by webhook."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Membership, Person
from accounts.services import outbox
from accounts.services.outgoing_mail import write_mail
from marketplace.models import Case


def tell_author(case: Case) -> None:
    """Call it in the transaction of the decision."""
    data = {
        "case": str(case.pk),
        "experience": str(case.experience),
        "subject": case.subject,
        "outcome": case.outcome,
        "reason": case.reason,
    }
    outbox.tell("moderation.decided", [case.organization_id], data)
    owners = Membership.objects.filter(organization_id=case.organization_id, role=Membership.Role.OWNER)
    for member in owners.select_related("person"):
        if member.person.is_active:
            _write(case, member.person)


def _write(case: Case, person: Person) -> None:
    address = settings.KEIKEN.site_url.rstrip("/") + reverse("case", args=[case.pk])
    with translation.override(person.language):
        values = {
            "what": case.get_subject_display(),
            "name": str(case.experience),
            "reason": case.get_reason_display(),
            "statement": case.statement,
            "address": address,
        }
        if case.outcome == Case.Outcome.HIDDEN:
            subject = _("Hidden by moderation: {name}").format(**values)
            body = _(
                "Reviewers have hidden something of your organization ({what}, {name}): {reason}.\n\n"
                "{statement}\n\nRead the decision, and appeal if it is wrong:\n{address}\n"
            ).format(**values)
        else:
            subject = _("Shown again: {name}").format(**values)
            body = _(
                "Reviewers have looked at your appeal and show it again ({what}, {name}).\n\n{statement}\n\n{address}\n"
            ).format(**values)
        write_mail(to=person.email, subject=subject, body=body)

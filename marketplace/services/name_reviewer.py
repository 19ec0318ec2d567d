"""Who of the operator's staff reviews complaints. Called by operators on the server."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM
from accounts.domain.refusals import Invalid
from accounts.models import Person
from accounts.services import audit

GROUP = "reviewers"


def name_reviewer(*, email: str, is_reviewer: bool) -> Person:
    """Give or take the role; the same again changes nothing. Raises Invalid ``person_unknown``, ``not_staff``."""
    with transaction.atomic(durable=True):
        person = Person.objects.filter(email=email.strip().lower(), is_active=True).first()
        if person is None:
            raise Invalid(
                "person_unknown", _("Nobody has an account with this e-mail address."), _("Ask them to sign up first.")
            )
        if is_reviewer and not person.is_staff:
            raise Invalid(
                "not_staff",
                _("{email} is not of the operator's staff.").format(email=person.email),
                _("Mark the account as staff in the operator's area first."),
            )
        group = reviewers()
        if person.groups.filter(pk=group.pk).exists() == is_reviewer:
            return person
        (person.groups.add if is_reviewer else person.groups.remove)(group)
        action = "reviewer.add" if is_reviewer else "reviewer.remove"
        audit.record(actor=SYSTEM, action=action, target=person.email)
    return person


def reviewers() -> Group:
    """The group whose members decide complaints."""
    group, created = Group.objects.get_or_create(name=GROUP)
    if created:
        group.permissions.add(Permission.objects.get(codename="review_case", content_type__app_label="marketplace"))
    return group

"""A person leaves for good: what names them goes, what they did stays in the audit trail under a number."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.postgres.functions import TransactionNow
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden, NotFound
from accounts.models import Membership, Organization, Person
from accounts.services import audit
from accounts.services.erasing import forget_account, pseudonym_of, rename_in_audit, rename_in_notes
from accounts.services.members import require_oneself
from experiences.models import Version
from licensing.models import AccessRequest
from marketplace.models import ReplayReport


def erase_person(*, actor: Actor, person: Person, password: str) -> None:
    """All of it or nothing. Versions, reports and requests of their organizations stay, without their name.

    What they accepted for an organization keeps the name it was accepted under: it proves an agreement of others.
    Raises Unauthenticated, Forbidden ``session_required``, ``password_missing`` or ``password_wrong``, Conflict
    ``sole_owner``.
    """
    require_oneself(actor, person)
    _check_password(person, password)
    with transaction.atomic(durable=True):
        row = Person.objects.select_for_update().get(pk=person.pk)
        if row.erased_at is not None:
            raise NotFound(_("account"))
        organizations = _locked_organizations(row)
        _refuse_sole_owner(row, organizations)
        Person.objects.filter(pk=row.pk).update(erased_at=TransactionNow())
        rename_in_audit(row, [organization.slug for organization in organizations])
        rename_in_notes(row)
        _rename_in_records(row, organizations)
        for rows in (EmailAddress, Authenticator, UserSession):
            rows.objects.filter(user=row).delete()
        row.refresh_from_db(fields=["erased_at"])
        forget_account(row)
        pseudonym = pseudonym_of(row)
        for organization in (None, *organizations):
            audit.record(
                actor=Actor(kind="person", id=row.pk, name=pseudonym),
                action="person.erase",
                target=pseudonym,
                organization_id=organization.pk if organization else None,
            )


def _check_password(person: Person, password: str) -> None:
    if not person.has_usable_password():
        raise Forbidden("password_missing", _("Your account has no password."), _("Set one first, then come back."))
    if not person.check_password(password):
        raise Forbidden("password_wrong", _("This is not your password."), _("Nothing was deleted. Try it again."))


def _locked_organizations(person: Person) -> list[Organization]:
    """Theirs, locked as every change of members locks them, always in the same order."""
    of_theirs = Organization.objects.filter(memberships__person=person).order_by("pk").values_list("pk", flat=True)
    return list(Organization.objects.select_for_update(no_key=True).filter(pk__in=list(of_theirs)).order_by("pk"))


def _refuse_sole_owner(person: Person, organizations: list[Organization]) -> None:
    owned = Membership.objects.filter(organization__in=organizations, role=Membership.Role.OWNER)
    others = owned.exclude(person=person).filter(person__is_active=True).values("organization_id")
    alone = owned.filter(person=person).exclude(organization_id__in=others)
    slugs = sorted(alone.values_list("organization__slug", flat=True))
    if slugs:
        raise Conflict(
            "sole_owner",
            _("You are the only owner of {organizations}.").format(organizations=", ".join(slugs)),
            _("Hand it over on its page of members, or close it there if nobody needs it any more; then come back."),
            {"organizations": slugs},
        )


def _rename_in_records(person: Person, organizations: list[Organization]) -> None:
    """A name without a number is theirs where it stands with an organization of theirs."""
    pseudonym, name = pseudonym_of(person), str(person)
    Version.objects.filter(experience__organization__in=organizations, published_by=name).update(published_by=pseudonym)
    ReplayReport.objects.filter(organization__in=organizations, actor_kind="person", actor_name=name).update(
        actor_name=pseudonym
    )
    AccessRequest.objects.filter(organization__in=organizations, asked_by_name__in=(name, person.email)).update(
        asked_by_name=pseudonym
    )

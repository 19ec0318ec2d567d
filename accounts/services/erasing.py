"""What is left of an erased person in ``accounts``: a number, which the audit trail names instead of them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from accounts.models import AuditEntry, EnvironmentProfile, Invitation, OutgoingMail, Person, Webhook

HOLDER = """
UPDATE accounts_auditentry SET details = jsonb_set(details, '{holder}', to_jsonb(%(pseudonym)s::text))
WHERE actor_kind = 'person' AND actor_id = %(person)s AND action = 'key.issue' AND details->>'holder' = ANY (%(names)s)
"""


def pseudonym_of(person: Person) -> str:
    """Stable: the database checks that the audit trail is given this and nothing else."""
    return f"deleted-{person.pk}"


def rename_in_audit(person: Person, organization_slugs: Sequence[str]) -> None:
    """Call it in the transaction that wrote ``erased_at``, while the row still holds name and address.

    The database lets nothing else of an entry change, and nobody else's entries. Those in other organizations' trails
    hold no number of a person, only a name and whose it was.
    """
    pseudonym = pseudonym_of(person)
    entries = AuditEntry.objects.filter(actor_kind="person")
    entries.filter(actor_id=person.pk).update(actor_name=pseudonym)
    if person.name:
        seen = entries.filter(actor_id__isnull=True, actor_name=person.name)
        seen.filter(details__organization__in=list(organization_slugs)).update(actor_name=pseudonym)
    AuditEntry.objects.filter(target=person.email).update(target=pseudonym)
    with connection.cursor() as cursor:
        cursor.execute(HOLDER, {"pseudonym": pseudonym, "person": person.pk, "names": [person.email, person.name]})


def rename_in_notes(person: Person) -> None:
    """Rows of organizations that say who made them."""
    pseudonym = pseudonym_of(person)
    profiles = EnvironmentProfile.objects.filter(saved_by_kind="person", saved_by_id=person.pk)
    profiles.update(saved_by_name=pseudonym)
    Invitation.objects.filter(invited_by_id=person.pk).update(invited_by_name=pseudonym)
    organizations = person.memberships.values("organization_id")
    Webhook.objects.filter(organization_id__in=organizations, created_by_name=str(person)).update(
        created_by_name=pseudonym
    )


def forget_account(person: Person) -> None:
    """Call it in the same transaction, last. Keys, memberships and all that signs in are gone with it."""
    Invitation.objects.filter(email__iexact=person.email).delete()
    OutgoingMail.objects.filter(to=person.email).delete()
    person.api_keys.all().delete()
    person.memberships.all().delete()
    person.exports.all().delete()
    person.groups.clear()
    person.user_permissions.clear()
    person.email, person.name, person.language = f"{pseudonym_of(person)}@deleted.invalid", "", "en"
    person.is_active = person.is_staff = person.is_superuser = False
    person.last_login = None
    # Every session still open ends with it: Django signs them with the password's hash.
    person.set_unusable_password()
    person.save()

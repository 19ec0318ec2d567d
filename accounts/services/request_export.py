"""A person asks for all that is known of them."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.models import Person, PersonExport
from accounts.services import audit
from accounts.services.members import require_oneself
from accounts.services.outbox import nudge_after_commit

TASK = "marketplace.tasks.write_exports"


def request_export(*, actor: Actor, person: Person) -> PersonExport:
    """The job; one that is not done yet stays the one there is, a finished one is replaced.

    Raises Unauthenticated, Forbidden ``session_required``.
    """
    require_oneself(actor, person)
    with transaction.atomic(durable=True):
        # One of two at once waits here and then finds the other's row.
        Person.objects.select_for_update().get(pk=person.pk)
        open_one = person.exports.filter(finished_at__isnull=True).first()
        if open_one is not None:
            return open_one
        person.exports.all().delete()
        row = PersonExport.objects.create(person=person)
        audit.record(actor=actor, action="person.export", target=person.email)
        nudge_after_commit(TASK)
    return row

"""A person changes how they are named and spoken to."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.models import Person
from accounts.services import audit
from accounts.services.members import require_oneself


def change_person(*, actor: Actor, person: Person, name: str | None = None, language: str | None = None) -> Person:
    """What is None stays. Raises Unauthenticated, Forbidden ``session_required``, Invalid ``person_invalid``."""
    require_oneself(actor, person)
    with transaction.atomic(durable=True):
        row = Person.objects.select_for_update().get(pk=person.pk)
        before = (row.name, row.language)
        row.name = row.name if name is None else " ".join(name.split())
        row.language = row.language if language is None else language
        if (row.name, row.language) == before:
            return row
        try:
            row.clean_fields(exclude=["password"])
            if not row.name.isprintable():
                raise ValidationError(_("The name holds a character that cannot be shown."))
        except ValidationError as error:
            raise Invalid("person_invalid", " ".join(error.messages), _("Correct it and try again.")) from None
        row.save(update_fields=["name", "language"])
        # Neither name: the trail would keep what the person may want forgotten.
        changed = [part for part, old in zip(("name", "language"), before, strict=True) if getattr(row, part) != old]
        audit.record(actor=actor, action="person.change", target=row.email, details={"changed": changed})
    return row

"""A person gets an account."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.models import Person
from accounts.services import audit
from accounts.services.constraints import broken_constraint

CLAIMS = {"accounts_person_email_key", "person_email_any_case"}


def register_person(*, email: str, password: str, name: str = "", language: str = "en") -> Person:
    """Raises Invalid ``person_invalid`` or ``password_weak``, Conflict ``email_taken`` in whatever case."""
    person = Person(email=email.strip().lower(), name=name.strip(), language=language)
    try:
        person.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise Invalid("person_invalid", " ".join(error.messages), _("Correct it and try again.")) from None
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid("password_weak", " ".join(error.messages), _("Choose a longer, less common one.")) from None
    person.set_password(password)
    try:
        with transaction.atomic(durable=True):
            person.save()
            audit.record(
                actor=Actor(kind="person", id=person.pk, name=str(person)),
                action="person.register",
                target=person.email,
            )
    except IntegrityError as error:
        if broken_constraint(error) not in CLAIMS:
            raise
        raise Conflict(
            "email_taken", _("There is already an account with this e-mail address."), _("Sign in instead.")
        ) from None
    return person

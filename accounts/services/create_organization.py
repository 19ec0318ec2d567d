"""A person founds an organization and becomes its owner."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.models import Membership, Organization, Person
from accounts.services import audit

RESERVED = {"admin", "api", "keiken", "me", "new", "static", "search", "www"}


def create_organization(*, person: Person, slug: str, name: str) -> Organization:
    """Raises Invalid ``slug_invalid`` or Conflict ``slug_taken``; two at once, one gets it."""
    organization = Organization(slug=slug, name=name.strip() or slug)
    try:
        organization.clean_fields(exclude=["group"])
    except ValidationError as error:
        raise Invalid(
            "slug_invalid", " ".join(error.messages), _("Use 1 to 64 lower-case letters, digits, hyphens.")
        ) from None
    if slug in RESERVED:
        raise Conflict("slug_taken", _("The name '{slug}' is reserved.").format(slug=slug), _("Choose another one."))
    try:
        with transaction.atomic(durable=True):
            organization.group = Group.objects.create(name=f"org:{slug}")
            organization.save()
            Membership.objects.create(person=person, organization=organization, role=Membership.Role.OWNER)
            person.groups.add(organization.group)
            audit.record(
                actor=Actor(kind="person", id=person.pk, name=str(person)),
                action="organization.create",
                target=slug,
                organization_id=organization.pk,
            )
    except IntegrityError:
        raise Conflict(
            "slug_taken", _("There is already an organization '{slug}'.").format(slug=slug), _("Choose another name.")
        ) from None
    return organization

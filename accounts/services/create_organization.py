"""A person founds an organization and becomes its owner."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.names import RESERVED_SLUGS
from accounts.domain.refusals import Conflict, Invalid
from accounts.models import Membership, Organization, Person
from accounts.services import audit
from accounts.services.constraints import broken_constraint

CLAIMS = {"accounts_organization_slug_key", "auth_group_name_key"}


def create_organization(*, person: Person, slug: str, name: str) -> Organization:
    """The organization with its group ``org:<slug>`` and its owner; of two at once, one gets the slug.

    Raises Invalid ``slug_invalid`` or ``name_invalid``, Conflict ``slug_taken``.
    """
    organization = Organization(slug=slug, name=name.strip() or slug)
    _check(organization)
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
    except IntegrityError as error:
        if broken_constraint(error) not in CLAIMS:
            raise
        raise _taken(_("There is already an organization '{slug}'.").format(slug=slug)) from None
    return organization


def _check(organization: Organization) -> None:
    try:
        organization.clean_fields(exclude=["group"])
    except ValidationError as error:
        if "slug" in error.message_dict:
            why, advice = error.message_dict["slug"], _("Use 1 to 64 lower-case letters, digits and single hyphens.")
            raise Invalid("slug_invalid", " ".join(why), advice) from None
        raise Invalid("name_invalid", " ".join(error.messages), _("Use at most 100 characters.")) from None
    if organization.slug in RESERVED_SLUGS:
        raise _taken(_("The name '{slug}' is reserved.").format(slug=organization.slug))


def _taken(message: str) -> Conflict:
    return Conflict("slug_taken", message, _("Choose another name."))

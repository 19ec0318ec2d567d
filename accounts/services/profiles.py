"""What the use cases about environment profiles share."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, Invalid
from accounts.models import EnvironmentProfile


def may_change(actor: Actor, profile: EnvironmentProfile) -> None:
    """People change every profile of their organization, an agent those that it saved last.

    Raises Unauthenticated, Forbidden ``scope_missing``, ``wrong_organization`` or ``profile_of_another``.
    """
    actor.require("report", profile.organization_id)
    is_own = (profile.saved_by_kind, profile.saved_by_id) == (actor.kind, actor.id)
    if actor.kind != "person" and not is_own:
        raise Forbidden(
            "profile_of_another",
            _("Somebody else saved the profile '{name}'.").format(name=profile.name),
            _("Save the facts under another name, or ask a person of the organization to delete this one."),
        )


def invalid(error: ValidationError) -> Invalid:
    return Invalid(
        "profile_invalid",
        " ".join(error.messages),
        _("Choose a name like 'build-server', and a note of at most 300 characters."),
    )

"""The facts of a machine are kept under a name, by a person who pastes them or by the agent that runs there."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.facts import stated_facts
from accounts.domain.refusals import Conflict
from accounts.models import EnvironmentProfile, Organization
from accounts.services import audit
from accounts.services.profiles import invalid, may_change

PROFILES_MAX = 100


def save_profile(
    *, actor: Actor, organization: Organization, name: str, facts: Any, note: str | None = None
) -> tuple[EnvironmentProfile, bool]:
    """The profile, and whether it is new. Saving under a known name takes the facts anew; note None leaves the note.

    Raises Unauthenticated, Forbidden ``profile_of_another``, Invalid ``profile_invalid``, ``facts_malformed`` or
    ``facts_too_large``, Conflict ``profiles_too_many``.
    """
    actor.require("report", organization.pk)
    kept = stated_facts(facts)
    with transaction.atomic(durable=True):
        # Of two at once under one name the second finds the first, and the limit is counted under the lock.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        row = organization.environment_profiles.filter(name=name).first()
        is_new = row is None
        if row is None:
            _refuse_too_many(organization)
            row = EnvironmentProfile(organization=organization, name=name)
        else:
            may_change(actor, row)
        row.facts, row.saved_at = kept, timezone.now()
        row.note = row.note if note is None else note.strip()
        assert actor.id is not None, "a scope beyond read comes with somebody"
        row.saved_by_kind, row.saved_by_id, row.saved_by_name = actor.kind, actor.id, actor.name[:100]
        try:
            row.clean_fields()
        except ValidationError as error:
            raise invalid(error) from None
        row.save()
        audit.record(
            actor=actor,
            action="profile.save",
            target=name,
            organization_id=organization.pk,
            details={"facts": len(kept), "is_new": is_new},
        )
    return row, is_new


def _refuse_too_many(organization: Organization) -> None:
    if organization.environment_profiles.count() >= PROFILES_MAX:
        raise Conflict(
            "profiles_too_many",
            _("An organization keeps at most {limit} environment profiles.").format(limit=PROFILES_MAX),
            _("Delete one that nobody needs any more."),
        )

"""An environment profile gets another name or note; its facts stay."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, NotFound
from accounts.models import EnvironmentProfile
from accounts.services import audit
from accounts.services.constraints import broken_constraint
from accounts.services.profiles import invalid, may_change


def change_profile(
    *, actor: Actor, profile: EnvironmentProfile, name: str | None = None, note: str | None = None
) -> EnvironmentProfile:
    """What is None stays. Raises Forbidden, NotFound, Invalid ``profile_invalid``, Conflict ``profile_name_taken``."""
    may_change(actor, profile)
    try:
        with transaction.atomic(durable=True):
            row = EnvironmentProfile.objects.select_for_update().filter(pk=profile.pk).first()
            if row is None:
                raise NotFound(_("environment profile"))
            may_change(actor, row)
            before = row.name
            row.name = before if name is None else name
            row.note = row.note if note is None else note.strip()
            row.clean_fields()
            row.save(update_fields=["name", "note"])
            audit.record(
                actor=actor,
                action="profile.change",
                target=row.name,
                organization_id=row.organization_id,
                details={} if row.name == before else {"from": before},
            )
    except ValidationError as error:
        raise invalid(error) from None
    except IntegrityError as error:
        if broken_constraint(error) != "environment_profile_name_once":
            raise
        raise Conflict(
            "profile_name_taken",
            _("There is already an environment profile of this name."),
            _("Choose another name."),
        ) from None
    return row

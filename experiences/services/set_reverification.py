"""An owner says when the organization's experiences are proven again, for all of them or for one topic."""

from __future__ import annotations

import re
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.models import Organization
from accounts.services import audit
from experiences.domain.reverification import FIELDS
from experiences.models import ReverificationPolicy
from experiences.reverification import site_bounds
from keiken.package.manifest import NAME_PATTERN

MOST_TOPICS = 100
_TOPIC = re.compile(NAME_PATTERN)


def set_reverification(
    *,
    actor: Actor,
    organization: Organization,
    topic: str = "",
    max_age_days: int | None = None,
    on_new_environment: bool | None = None,
    on_environment_change: bool | None = None,
    diverging_reports: int | None = None,
    request_minutes: int | None = None,
) -> ReverificationPolicy | None:
    """The policy from now on; None where nothing is asked for any more. The same again changes nothing.

    Raises Unauthenticated, Forbidden, Invalid ``reverification_out_of_bounds``, ``reverification_topic_invalid``.
    """
    actor.require("admin", organization.pk)
    wanted = {
        "max_age_days": max_age_days,
        "on_new_environment": on_new_environment or None,
        "on_environment_change": on_environment_change or None,
        "diverging_reports": diverging_reports,
        "request_minutes": request_minutes,
    }
    _refuse_out_of_bounds(wanted)
    with transaction.atomic(durable=True):
        # Two owners at once: one after the other, so that the trail tells what each of them changed.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        known = ReverificationPolicy.objects.filter(organization=organization)
        before = known.filter(topic=topic).first()
        if before is None:
            _refuse_topic(topic, known.count())
        found = {name: getattr(before, name) for name in FIELDS} if before else dict.fromkeys(FIELDS)
        if found == wanted:
            return before
        if any(value is not None for value in wanted.values()):
            after, _made = known.update_or_create(
                organization=organization, topic=topic, defaults={**wanted, "changed_at": Now()}
            )
        else:
            known.filter(topic=topic).delete()
            after = None
        audit.record(
            actor=actor,
            action="reverification.set",
            target=f"{organization.slug} {topic}".strip(),
            organization_id=organization.pk,
            details={"topic": topic, "from": found, "to": wanted},
        )
    return after


def _refuse_out_of_bounds(wanted: dict[str, Any]) -> None:
    for name, (least, most) in site_bounds().items():
        value = wanted[name]
        if value is not None and not least <= value <= most:
            raise Invalid(
                "reverification_out_of_bounds",
                _("'{field}' can be from {least} to {most} here, not {value}.").format(
                    field=name, least=least, most=most, value=value
                ),
                _("Choose a value between these, or leave it empty: then the marketplace's own rule holds."),
                {"field": name, "least": least, "most": most},
            )


def _refuse_topic(topic: str, known: int) -> None:
    is_word = topic == "" or (len(topic) <= 64 and _TOPIC.fullmatch(topic))
    if is_word and known < MOST_TOPICS:
        return
    raise Invalid(
        "reverification_topic_invalid",
        _("A topic is a word in small letters, as experiences name it; there can be {n} policies.").format(
            n=MOST_TOPICS
        ),
        _("Correct the topic, or remove a policy that is no longer needed."),
    )

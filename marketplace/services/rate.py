"""Rate a version line after having used it: one rating per organization and major version."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, Invalid
from accounts.services import audit
from experiences.models import Experience
from marketplace.domain.reports import reached_a_step
from marketplace.models import Rating, ReplayReport

TEXT_MAX_LENGTH = 4000


def rate(*, actor: Actor, experience: Experience, stars: int, text: str, replay_id: uuid.UUID) -> tuple[Rating, bool]:
    """The organization's rating of that version line, and whether it is new. The same again changes nothing.

    Raises Forbidden for the publisher's own organization, without a reported replay, or when that
    replay reached no step; Invalid for stars outside 1 to 5 or a text that is too long.
    """
    actor.require("rate")
    assert actor.organization_id is not None, "a scope beyond read comes with an organization"
    _refuse_bad_content(stars, text)
    if actor.acts_for(experience.organization_id):
        raise Forbidden(
            "own_experience",
            _("An organization does not rate its own experiences."),
            _("Answer ratings of others instead."),
        )
    report = _used_replay(actor.organization_id, experience, replay_id)
    with transaction.atomic(durable=True):
        rating, created = Rating.objects.select_for_update().get_or_create(
            experience=experience,
            major=report.version.major,
            organization_id=actor.organization_id,
            defaults={"report": report, "stars": stars, "text": text},
        )
        changed = not created and (rating.stars, rating.text, rating.report_id) != (stars, text, report.id)
        if changed:
            rating.stars, rating.text, rating.report, rating.changed_at = stars, text, report, timezone.now()
            rating.save(update_fields=["stars", "text", "report", "changed_at"])
        if created or changed:
            audit.record(
                actor=actor,
                action="rating.create" if created else "rating.change",
                target=str(experience),
                organization_id=actor.organization_id,
                details={"major": rating.major, "stars": stars, "replay_id": str(replay_id)},
            )
    return rating, created


def _refuse_bad_content(stars: int, text: str) -> None:
    if not 1 <= stars <= 5:
        raise Invalid("stars_out_of_range", _("A rating has one to five stars."), _("Send a whole number from 1 to 5."))
    if len(text) > TEXT_MAX_LENGTH:
        raise Invalid(
            "rating_too_long",
            _("The text has {length} characters; at most {limit} are taken.").format(
                length=len(text), limit=TEXT_MAX_LENGTH
            ),
            _("Shorten it."),
        )


def _used_replay(organization_id: int, experience: Experience, replay_id: uuid.UUID) -> ReplayReport:
    report = (
        ReplayReport.objects.filter(
            organization_id=organization_id, version__experience=experience, replay_id=replay_id
        )
        .select_related("version")
        .first()
    )
    if report is None:
        raise Forbidden(
            "replay_not_reported",
            _("Your organization has reported no such replay of this experience."),
            _("Replay it, send the report, then rate: 'keiken replay', 'keiken report', 'keiken rate'."),
        )
    if not reached_a_step(report.outcome, report.report.get("steps", [])):
        raise Forbidden(
            "replay_reached_no_step",
            _("This replay was over before its first step, so there is nothing to rate yet."),
            _("Rate after a replay that carried out at least one step."),
        )
    return report

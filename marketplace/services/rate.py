"""Rate a version line after having used it: one rating per organization and major version."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, Invalid
from accounts.services import audit, outbox
from experiences.models import Experience
from marketplace.domain.reports import reached_a_step
from marketplace.domain.reviews import ANSWERS, EFFORTS, TEXT_LIMIT, plain_text, used_in
from marketplace.interest import belongs_to_any, is_run_by_people_of
from marketplace.models import Rating, RatingEdit, ReplayReport
from marketplace.services.pacing import refuse_haste
from marketplace.services.scoring import ask_for_score

EDITS_LIMIT = 30
EDITS_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What somebody says of an experience; empty answers are questions that were left out."""

    stars: int
    text: str = ""
    held: str = ""
    """Whether it did what it promises: yes, partly, no."""
    described: str = ""
    """Whether the description was right: yes, partly, no."""
    effort_saved: str = ""
    """none, minutes, hours, days."""


def rate(*, actor: Actor, experience: Experience, opinion: Opinion, replay_id: uuid.UUID) -> tuple[Rating, bool]:
    """The organization's rating of that version line, and whether it is new. The same again changes nothing.

    Raises Forbidden for the publisher's own organization and people, without a reported replay, or when that replay
    reached no step; Invalid for stars outside 1 to 5, unknown answers or a text that is too long; TooManyRequests.
    """
    actor.require("rate")
    assert actor.organization_id is not None, "a scope beyond read comes with an organization"
    opinion = _checked(opinion)
    _refuse_own(actor, experience)
    report = _used_replay(actor.organization_id, experience, replay_id)
    said = {
        **asdict(opinion),
        **used_in(report.facts, report.environment_name),
        "is_by_insiders": is_run_by_people_of(actor.organization_id, experience.organization_id),
    }
    edits = RatingEdit.objects.filter(organization_id=actor.organization_id)
    with transaction.atomic(durable=True):
        rating, created = Rating.objects.select_for_update().get_or_create(
            experience=experience,
            major=report.version.major,
            organization_id=actor.organization_id,
            defaults={"report": report, **said},
        )
        if not created and rating.report_id == report.pk and rating.content() == asdict(opinion):
            return rating, False
        refuse_haste(edits, limit=EDITS_LIMIT, within=EDITS_WITHIN)
        if not created:
            rating.report, rating.changed_at = report, timezone.now()
            for name, value in said.items():
                setattr(rating, name, value)
            rating.save(update_fields=["report", "changed_at", *said])
        _remember(actor, experience, rating, created=created)
        ask_for_score(experience.pk)
    return rating, created


def _refuse_own(actor: Actor, experience: Experience) -> None:
    """Raises Forbidden ``own_experience`` for the publisher, and for its people whomever they act for."""
    if belongs_to_any(actor, {experience.organization_id}):
        raise Forbidden(
            "own_experience",
            _("An organization and its people do not rate their own experiences."),
            _("Answer ratings of others instead."),
        )


def _remember(actor: Actor, experience: Experience, rating: Rating, *, created: bool) -> None:
    RatingEdit.objects.create(
        rating=rating,
        part=RatingEdit.Part.RATING,
        organization_id=rating.organization_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        content=rating.content(),
    )
    audit.record(
        actor=actor,
        action="rating.create" if created else "rating.change",
        target=str(experience),
        organization_id=rating.organization_id,
        details={"major": rating.major, "stars": rating.stars, "replay_id": str(rating.report.replay_id)},
    )
    data = {"experience": str(experience), "major": rating.major, "stars": rating.stars, "is_new": created}
    outbox.tell("review.posted", [experience.organization_id], data)


def _checked(opinion: Opinion) -> Opinion:
    if not 1 <= opinion.stars <= 5:
        raise Invalid("stars_out_of_range", _("A rating has one to five stars."), _("Send a whole number from 1 to 5."))
    known = opinion.held in ANSWERS and opinion.described in ANSWERS and opinion.effort_saved in EFFORTS
    if not known:
        raise Invalid("answer_unknown", _("One of the answers is none of those offered."), _("Choose one of the list."))
    return Opinion(**{**asdict(opinion), "text": checked_text(opinion.text)})


def checked_text(text: str) -> str:
    """Plain text of an allowed length. Raises Invalid ``rating_too_long``."""
    plain = plain_text(text)
    if len(plain) > TEXT_LIMIT:
        raise Invalid(
            "rating_too_long",
            _("The text has {length} characters; at most {limit} are taken.").format(
                length=len(plain), limit=TEXT_LIMIT
            ),
            _("Shorten it."),
        )
    return plain


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

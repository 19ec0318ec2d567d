"""Reading ratings: whose one may see, how they are told, and what of their history is anybody's business."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Avg, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import NotFound
from experiences.access import visible_experiences
from experiences.models import Experience
from marketplace.domain.reports import REACHED
from marketplace.models import HelpfulVote, Rating, RatingEdit, ReplayReport

SHOWN = 10
"""On the page of an experience; the rest has a page of its own."""
REPLAYS_OFFERED = 20


def counted_ratings() -> QuerySet[Rating]:
    """Those that moderation has not hidden."""
    return Rating.objects.filter(hidden_at__isnull=True)


def ratings_for(actor: Actor, experience: Experience) -> QuerySet[Rating]:
    """What is shown of it to the actor, with ``helpful`` and ``found_helpful``: its own also while it is hidden."""
    shown, mine = Q(hidden_at__isnull=True), HelpfulVote.objects.none()
    if actor.organization_id is not None:
        shown |= Q(organization_id=actor.organization_id)
        mine = HelpfulVote.objects.filter(rating=OuterRef("pk"), organization_id=actor.organization_id)
    return (
        Rating.objects.filter(shown, experience=experience)
        .select_related("organization", "report")
        .defer("report__report", "report__facts")
        .annotate(
            helpful=_number_of(HelpfulVote.objects.all()),
            found_helpful=Exists(mine),
            forms=_number_of(RatingEdit.objects.filter(part=RatingEdit.Part.RATING)),
        )
    )


def _number_of(rows: QuerySet[Any]) -> Coalesce:
    """Of the rows that belong to a rating. A join would multiply one count by the other."""
    counted = rows.filter(rating=OuterRef("pk")).order_by().values("rating").annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(counted), 0)


def rating_for(actor: Actor, number: int) -> Rating:
    """Raises NotFound, also for one that is hidden from the actor, or of an experience that is."""
    found = (
        Rating.objects.filter(experience__in=visible_experiences(actor), pk=number)
        .select_related("organization", "experience__organization", "report__version")
        .first()
    )
    if found is None or not _may_see(actor, found):
        raise NotFound(_("rating"))
    return found


def _may_see(actor: Actor, rating: Rating) -> bool:
    return rating.hidden_at is None or actor.is_operator or actor.acts_for(rating.organization_id)


def ratings_of(experience_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """``{experience_id: {"mean": 4.5, "count": 2}}`` in one query; unrated ones have mean None."""
    wanted = list(experience_ids)
    rows = (
        counted_ratings()
        .filter(experience_id__in=wanted)
        .values("experience_id")
        .annotate(mean=Avg("stars"), count=Count("id"))
    )
    found = {row["experience_id"]: {"mean": round(row["mean"], 2), "count": row["count"]} for row in rows}
    return {number: found.get(number, {"mean": None, "count": 0}) for number in wanted}


def best_of(actor: Actor, experience: Experience) -> tuple[dict[str, Any], Sequence[Rating]]:
    """What ``ratings_of`` tells, and the most helpful ratings, newest first among equals. One query."""
    rows = list(
        ratings_for(actor, experience)
        .annotate(
            mean=Window(Avg("stars", filter=Q(hidden_at__isnull=True))),
            count=Window(Count("id", filter=Q(hidden_at__isnull=True))),
        )
        .order_by(F("helpful").desc(), "-changed_at", "-pk")[:SHOWN]
    )
    if not rows or not rows[0].count:
        return {"mean": None, "count": 0}, rows
    return {"mean": round(rows[0].mean, 2), "count": rows[0].count}, rows


def spread(experience: Experience) -> list[tuple[int, int]]:
    """How many gave five stars, four, …, one."""
    rows = counted_ratings().filter(experience=experience).values("stars").annotate(count=Count("id"))
    found = {row["stars"]: row["count"] for row in rows}
    return [(stars, found.get(stars, 0)) for stars in range(5, 0, -1)]


def history(actor: Actor, rating: Rating) -> list[dict[str, Any]]:
    """Every form it had, oldest first. Earlier texts are for their author and reviewers: a slip can be taken back."""
    is_full = actor.is_operator or actor.acts_for(rating.organization_id)
    rows = RatingEdit.objects.filter(rating=rating, part=RatingEdit.Part.RATING).order_by("pk")
    return [
        {"at": row.created_at, **row.content, "text": row.content["text"] if is_full else None} for row in rows[:100]
    ]


def ratable_replays(actor: Actor, experience: Experience) -> list[ReplayReport]:
    """The newest replays the actor's organization has reported that reached a step, best for choosing from."""
    if actor.organization_id is None:
        return []
    rows = (
        ReplayReport.objects.filter(
            organization_id=actor.organization_id, version__experience=experience, outcome__in=REACHED
        )
        .select_related("version")
        .defer("facts", "version__manifest", "version__skill", "version__search")
        .order_by("-created_at")
    )
    return list(rows[:REPLAYS_OFFERED])


def own_ratings(actor: Actor, experience: Experience) -> dict[int, Rating]:
    """What the actor's organization has said so far, by major version."""
    if actor.organization_id is None:
        return {}
    rows = Rating.objects.filter(experience=experience, organization_id=actor.organization_id)
    return {row.major: row for row in rows}


def document_of(row: Rating, experience: str) -> dict[str, Any]:
    """As the API tells it; ``row`` is one of ``ratings_for``."""
    is_reply_shown = bool(row.reply) and row.reply_hidden_at is None
    return {
        "id": row.pk,
        "experience": experience,
        "organization": row.organization.slug,
        "major": row.major,
        **row.content(),
        "outcome": row.report.outcome,
        "used_in": {"os_id": row.os_id, "os_version": row.os_version, "environment": row.environment_name},
        "helpful": getattr(row, "helpful", 0),
        "reply": {"text": row.reply, "at": row.replied_at} if is_reply_shown else None,
        "is_hidden": row.hidden_at is not None,
        "created_at": row.created_at,
        "changed_at": row.changed_at,
    }

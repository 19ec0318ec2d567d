"""What an organization has published, how it fared in the sandboxes, and what followed when reports said it fails.

All of it as far as the reader may see the experiences: for a stranger, what is public.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Organization
from experiences.domain.verdicts import NEUTRAL
from experiences.models import Experience, IndependentStatement, Verification, Version
from marketplace import selectors

EXPERIENCES_SHOWN = 50
RECORD_DAYS = 365
ROWS_LIMIT = 5_000
Verdict = tuple[int, str, str, str, datetime]
"""The experience's number, environment, why it was proven, the verdict, and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The verdicts of the last year. What was outside its conditions, or told nothing, counts for neither side."""

    passed: int
    judged: int
    environments: tuple[str, ...]

    @property
    def percent(self) -> int:
        return round(100 * self.passed / self.judged) if self.judged else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What followed when reports from the field led to a new proof, in the last year.

    ``held``: the sandboxes found it to hold as published. ``mended``: it did not, and a newer version was published;
    ``median_days`` from that verdict to the version. ``open``: it did not, and nothing followed yet.
    """

    held: int
    mended: int
    open: int
    median_days: float | None

    @property
    def count(self) -> int:
        return self.held + self.mended + self.open


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    experiences: int
    versions: int
    first_at: datetime | None
    last_at: datetime | None


def publisher_sheet(actor: Actor, slug: str) -> dict[str, Any]:
    """The context of the profile; seven queries, however much was published (the newest 200 experiences count).

    Raises NotFound where the actor may see nothing of it.
    """
    rows = selectors.published_by(actor, slug)
    organization = rows[0].organization
    numbers = [row.pk for row in rows]
    versions = list(
        Version.objects.filter(experience__in=numbers).values_list("experience_id", "published_at")[:ROWS_LIMIT]
    )
    verdicts: Sequence[Any] = list(
        Verification.objects.filter(
            version__experience__in=numbers,
            state=Verification.State.DONE,
            finished_at__gt=timezone.now() - timedelta(days=RECORD_DAYS),
        )
        .order_by("-finished_at")
        .values_list("version__experience_id", "environment_name", "trigger", "verdict", "finished_at")[:ROWS_LIMIT]
    )
    listings = selectors.listings(rows)
    return {
        "publisher": organization,
        "is_public": any(row.visibility == Experience.Visibility.PUBLIC and row.hidden_at is None for row in rows),
        "own": actor.acts_for(organization.pk),
        "rows": listings[:EXPERIENCES_SHOWN],
        "has_more": len(listings) > EXPERIENCES_SHOWN,
        "published": _published(versions),
        "standing": dict(Counter(row["verification"]["status"] for row in listings)),
        "record": _record(verdicts),
        "response": _response(verdicts, versions),
        "rating": _rating(row["rating"] for row in listings),
        "keys": verifier_keys(organization),
    }


def verifier_keys(organization: Organization) -> list[str]:
    """The public keys it has signed with as a verifier of what others published, in base64."""
    found = IndependentStatement.objects.filter(organization=organization, version__experience__visibility="public")
    return list(found.order_by("public_key").values_list("public_key", flat=True).distinct()[:20])


def _published(versions: Sequence[tuple[int, datetime]]) -> Published:
    times = [at for _number, at in versions]
    return Published(
        experiences=len({number for number, _at in versions}),
        versions=len(versions),
        first_at=min(times, default=None),
        last_at=max(times, default=None),
    )


def _record(verdicts: Sequence[Verdict]) -> Record:
    judged = [
        (environment, verdict) for _number, environment, _trigger, verdict, _at in verdicts if verdict not in NEUTRAL
    ]
    return Record(
        passed=sum(verdict == "passed" for _environment, verdict in judged),
        judged=len(judged),
        environments=tuple(sorted({environment for environment, verdict in judged if verdict == "passed"})),
    )


def _response(verdicts: Sequence[Verdict], versions: Sequence[tuple[int, datetime]]) -> Response:
    asked = [
        (number, verdict, at)
        for number, _environment, trigger, verdict, at in verdicts
        if trigger == Verification.Trigger.DIVERGENCE and verdict not in NEUTRAL
    ]
    days = [_days_to_next(number, at, versions) for number, verdict, at in asked if verdict != "passed"]
    mended = [item for item in days if item is not None]
    return Response(
        held=len(asked) - len(days),
        mended=len(mended),
        open=len(days) - len(mended),
        median_days=round(median(mended), 1) if mended else None,
    )


def _days_to_next(number: int, at: datetime, versions: Sequence[tuple[int, datetime]]) -> float | None:
    later = [published for experience, published in versions if experience == number and published > at]
    return (min(later) - at) / timedelta(days=1) if later else None


def _rating(ratings: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Of all experiences together, each rating counting once."""
    rated = [item for item in ratings if item["count"]]
    count = sum(item["count"] for item in rated)
    mean = sum(item["mean"] * item["count"] for item in rated) / count if count else None
    return {"mean": mean, "count": count}

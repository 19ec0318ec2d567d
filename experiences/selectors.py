"""Reading experiences: the badge of a version, and the search by words and fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Exists, F, OuterRef, QuerySet, Value
from django.db.models.fields import FloatField
from django.utils import timezone

from accounts.actors import Actor
from experiences.access import visible_experiences
from experiences.domain.words import query_words
from experiences.models import Attestation, Condition, Verification, Version
from keiken.conditions import Condition as Predicate
from keiken.conditions import Match, match, parse


def verification_status(version: Version) -> dict[str, Any]:
    """``{status, environments: {name: {verdict, finished_at, …}}}`` of one version."""
    return verification_statuses([version])[version.pk]


def verification_statuses(versions: Iterable[Version]) -> dict[int, dict[str, Any]]:
    """The badge of each version, in two queries for all of them.

    ``verified``: the last verdict of every environment is ``passed`` and signed, and younger than the policy's age.
    ``failing``: some last verdict is not. ``pending``: nothing is concluded yet. ``unverified``: what there was has aged,
    or was never signed.
    """
    wanted = [version.pk for version in versions]
    concluded = (
        Verification.objects.filter(version_id__in=wanted, state=Verification.State.DONE)
        .select_related("environment")
        .annotate(is_signed=Exists(Attestation.objects.filter(verification=OuterRef("pk"))))
        .order_by("version_id", "environment_name", "-finished_at")
        .distinct("version_id", "environment_name")
    )
    waiting = Verification.objects.filter(version_id__in=wanted).exclude(state=Verification.State.DONE)
    by_version: dict[int, dict[str, Verification]] = {number: {} for number in wanted}
    for row in concluded:
        by_version[row.version_id][row.environment_name] = row
    pending = set(waiting.values_list("version_id", flat=True))
    return {number: _status(rows, number in pending) for number, rows in by_version.items()}


def _status(rows: Mapping[str, Any], is_pending: bool) -> dict[str, Any]:
    oldest = timezone.now() - timedelta(days=settings.KEIKEN.reverify_days)
    if any(row.verdict != "passed" for row in rows.values()):
        status = "failing"
    elif not rows or not all(row.is_signed for row in rows.values()):
        status = "pending" if is_pending or rows else "unverified"
    elif all(row.finished_at > oldest for row in rows.values()):
        status = "verified"
    else:
        status = "pending" if is_pending else "unverified"
    return {
        "status": status,
        "environments": {
            name: {
                "verdict": row.verdict,
                "environment": row.environment.name if row.environment else name,
                "isolation": row.isolation,
                "finished_at": row.finished_at,
            }
            for name, row in rows.items()
        },
    }


@dataclass(frozen=True)
class Hit:
    """One found version with what speaks for and against it on the asker's machine."""

    version: Version
    fit: Match | None


def search_versions(
    actor: Actor,
    *,
    words: str = "",
    topics: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    fits: bool = False,
    limit: int = 25,
    offset: int = 0,
) -> list[Hit]:
    """The latest versions the actor may see that have the words, the topics and, with ``fits``, hold with the facts.

    Verified ones first among equals; the order is the same for the same data. At most ``limit`` hits from ``offset``.
    """
    rows = _searchable(actor)
    for topic in topics:
        rows = rows.filter(experience__topics__contains=[topic])
    rows = _with_words(rows, words)
    if fits and facts is not None:
        rows = rows.filter(condition_ids__contained_by=satisfied(facts))
    passed = Verification.objects.filter(version=OuterRef("pk"), state="done", verdict="passed")
    failed = Verification.objects.filter(version=OuterRef("pk"), state="done").exclude(verdict="passed")
    ordered = rows.annotate(is_proven=Exists(passed), is_doubtful=Exists(failed)).order_by(
        "-rank", "-is_proven", "is_doubtful", "-published_at", "pk"
    )
    return [
        Hit(version, match(parse(version.manifest.get("conditions") or {}), facts) if facts is not None else None)
        for version in ordered[offset : offset + limit]
    ]


def satisfied(facts: Mapping[str, Any]) -> list[int]:
    """The ids of all interned conditions that hold with these facts."""
    rows = Condition.objects.values_list("pk", "key", "operator", "value")
    return [
        pk
        for pk, key, operator, value in rows.iterator()
        if _predicate(key, operator, value).evaluate(facts) == "holds"
    ]


def _predicate(key: str, operator: Any, value: Any) -> Predicate:
    return Predicate(key, operator, tuple(value) if isinstance(value, list) else value)


def _searchable(actor: Actor) -> QuerySet[Version]:
    return (
        Version.objects.filter(
            experience__in=visible_experiences(actor), yanked_at__isnull=True, pk=F("experience__latest")
        )
        .select_related("experience__organization")
        .defer("search")
        .annotate(rank=Value(0.0, output_field=FloatField()))
    )


def _with_words(rows: QuerySet[Version], words: str) -> QuerySet[Version]:
    plain, pairs = query_words(words)
    query: SearchQuery | None = SearchQuery(plain, config="english", search_type="websearch") if plain else None
    for pair in pairs:
        part = SearchQuery(pair, config="english", search_type="plain")
        query = part if query is None else query & part
    if query is None:
        return rows
    return rows.filter(search=query).annotate(rank=SearchRank(F("search"), query))

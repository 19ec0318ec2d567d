"""Reading experiences: the badge of a version, and the search by words and fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.fields import FloatField
from django.utils import timezone

from accounts.actors import Actor
from experiences.access import visible_experiences
from experiences.domain.verdicts import Concluded, badge
from experiences.domain.words import query_words
from experiences.models import CheckStrength, Condition, Verification, Version, Worker
from keiken.conditions import Condition as Predicate
from keiken.conditions import Match, match, parse

OVERVIEW_ROWS = 200
GONE = timedelta(seconds=30)
"""A worker that was silent for so long counts as gone."""
INDEXED_CONDITIONS = 50
"""With more conditions that hold than this, the index of conditions costs more than it saves."""


def verification_status(version: Version) -> dict[str, Any]:
    """``{status, environments: {name: {verdict, finished_at, …}}}`` of one version."""
    return verification_statuses([version])[version.pk]


def verification_statuses(versions: Iterable[Version]) -> dict[int, dict[str, Any]]:
    """The badge of each version, in two queries for all of them.

    ``verified``: the last verdict of every environment is ``passed``, signed, and younger than the policy's age.
    ``failing``: some last verdict speaks against it. ``pending``: a proof is due. ``unverified``: what there was has
    aged, or said nothing. Verdicts of environments it is not made for count neither way.
    """
    wanted = [version.pk for version in versions]
    concluded = (
        Verification.objects.filter(version_id__in=wanted, state=Verification.State.DONE)
        .select_related("environment")
        .annotate(attested_at=F("attestation__created_at"))
        .order_by("version_id", "environment_name", "-finished_at")
        .distinct("version_id", "environment_name")
    )
    waiting = Verification.objects.filter(version_id__in=wanted).exclude(state=Verification.State.DONE)
    by_version: dict[int, list[Any]] = {number: [] for number in wanted}
    for row in concluded:
        by_version[row.version_id].append(row)
    due = set(waiting.values_list("version_id", flat=True))
    return {number: status_of(rows, is_waiting=number in due) for number, rows in by_version.items()}


def strengths_of(version: Version) -> dict[int, CheckStrength]:
    """What is known of the strength of its checks, by the number of the environment."""
    found = CheckStrength.objects.filter(version=version).select_related("environment").order_by("method")
    return {item.environment_id: item for item in found}


def oldest_valid() -> datetime:
    """An older passing attestation no longer makes a version verified."""
    return timezone.now() - timedelta(days=settings.KEIKEN.reverify_days)


def status_of(rows: Sequence[Any], *, is_waiting: bool) -> dict[str, Any]:
    """The badge from the last concluded row of each environment, with ``environment`` and ``attested_at``."""
    facts = [Concluded(row.verdict, row.finished_at, row.attested_at is not None) for row in rows]
    return {
        "status": badge(facts, oldest=oldest_valid(), is_waiting=is_waiting),
        "environments": {
            row.environment_name: {
                "verdict": row.verdict,
                "environment": row.environment.name if row.environment else row.environment_name,
                "environment_digest": row.environment.digest if row.environment else "",
                "isolation": row.isolation,
                "finished_at": row.finished_at,
                "attested_at": row.attested_at,
            }
            for row in rows
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
        rows = _fitting(rows, satisfied(facts))
    ordered = rows.annotate(score=F("rank") * _standing()).order_by("-score", "-published_at", "pk")
    return [
        Hit(version, match(parse(version.manifest.get("conditions") or {}), facts) if facts is not None else None)
        for version in ordered[offset : offset + limit]
    ]


def _fitting(rows: QuerySet[Version], holding: Sequence[int]) -> QuerySet[Version]:
    """Versions all of whose conditions are among ``holding``.

    Few are looked up in the index. For many, PostgreSQL would compare each condition of each version with all of
    them; written as a set to be in, it hashes them once (measured on 100,000 versions and 11,700 conditions: 24 s and
    0.3 s).
    """
    if len(holding) <= INDEXED_CONDITIONS:
        return rows.filter(condition_ids__contained_by=list(holding))
    unmet = "SELECT 1 FROM unnest(experiences_version.condition_ids) AS wanted(id) WHERE id <> ALL (%s::bigint[])"
    return rows.extra(where=[f"NOT EXISTS ({unmet})"], params=[list(holding)])


def satisfied(facts: Mapping[str, Any]) -> list[int]:
    """The ids of all interned conditions that hold with these facts. A fact that was not sent satisfies nothing."""
    rows = Condition.objects.filter(key__in=list(facts)).values_list("pk", "key", "operator", "value")
    return [
        pk
        for pk, key, operator, value in rows.iterator()
        if _predicate(key, operator, value).evaluate(facts) == "holds"
    ]


def _predicate(key: str, operator: Any, value: Any) -> Predicate:
    return Predicate(key, operator, tuple(value) if isinstance(value, list) else value)


def _standing() -> Case:
    """How much a proof is worth beside the words: what is verified now first, what fails last."""
    return Case(
        When(standing=Version.Standing.DOUBTED, then=Value(0.25)),
        When(standing=Version.Standing.PROVEN, proven_at__gt=oldest_valid(), then=Value(1.0)),
        default=Value(0.5),
        output_field=FloatField(),
    )


def _searchable(actor: Actor) -> QuerySet[Version]:
    return (
        Version.objects.filter(
            experience__in=visible_experiences(actor), yanked_at__isnull=True, pk=F("experience__latest")
        )
        .select_related("experience__organization")
        .defer("search")
        .annotate(rank=Value(1.0, output_field=FloatField()))
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


def verification_overview() -> dict[str, Any]:
    """For operators: ``counts`` of rows by state and of missing attestations, and the ``open`` rows, oldest first,
    and the ``workers``.
    """
    done = Verification.objects.filter(state=Verification.State.DONE)
    counts = {state: Verification.objects.filter(state=state).count() for state in ("queued", "running", "done")}
    rows = (
        Verification.objects.exclude(state=Verification.State.DONE)
        .select_related("version__experience__organization")
        .defer("version__manifest", "version__skill", "version__search")
        .order_by("created_at")[:OVERVIEW_ROWS]
    )
    return {
        "counts": {**counts, "unsigned": done.filter(attestation__isnull=True).count()},
        "workers": [_worker(worker) for worker in Worker.objects.order_by("name")],
        "open": [
            {
                "id": str(row.pk),
                "version": str(row.version),
                "environment": row.environment_name,
                "state": row.state,
                "attempts": row.attempts,
                "not_before": row.not_before,
                "worker": row.worker if row.state == Verification.State.RUNNING else "",
                "lease_until": row.lease_until,
                "quarantined_at": row.quarantined_at,
                "operator_note": row.operator_note,
            }
            for row in rows
        ],
    }


def _worker(worker: Worker) -> dict[str, Any]:
    fields = ("name", "host", "environments", "driver", "isolation", "slots", "note", "is_draining", "seen_at")
    is_gone = worker.seen_at < timezone.now() - GONE
    return {**{name: getattr(worker, name) for name in fields}, "is_gone": is_gone}

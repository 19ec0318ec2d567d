"""Searching: words, facts and filters in; what the actor may see out, the best first, each with the reasons."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.postgres.search import SearchQuery
from django.db.models import F
from numpy.typing import NDArray

from accounts.actors import Actor
from accounts.models import Organization
from experiences.access import permitted_ids, visible_experiences
from experiences.domain.terms import plain_words, read_query
from experiences.domain.words import CJK, pairs
from experiences.embedding import meaning_of, signs_of, space
from experiences.models import Embedding, Version
from experiences.search.columns import Sort
from experiences.search.dictionary import resolve
from experiences.search.engine import Answer, Engine, Fit, Reason, Request
from experiences.search.facets import Filters
from experiences.search.meaning import close
from experiences.search.shelf import SHELF
from keiken.conditions import Match, match, parse

PHRASE_CANDIDATES = 2_000
"""A phrase is looked up in so many of the listings that have all its words, the best ones."""
NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Every topic must be there; of the other filters any named value will do. An unknown value finds nothing."""

    words: str = ""
    facts: Mapping[str, Any] | None = None
    fit: Fit = "any"
    topics: Sequence[str] = ()
    publishers: Sequence[str] = ()
    verified: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By ``environment``, ``action``, ``license``, ``price`` and ``language``."""
    sort: Sort = "relevance"
    limit: int = 25
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """One found version, why it was found, and what speaks for and against it on the asker's machine."""

    version: Version
    fit: Match | None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    hits: list[Hit]
    total: int
    """How many there are on all pages."""
    facets: dict[str, list[tuple[str, int]]]
    """By facet, ``(value, count)``, the most frequent first. A count is what choosing the value would leave."""


def find(actor: Actor, question: Question) -> Found:
    """What was committed before the call is found; at most ``limit`` hits from ``offset``.

    The index only proposes: each hit is fetched through the door that every other reader takes.
    """
    # Asked before the index is held: an endpoint that is slow keeps nobody else waiting.
    meaning = meaning_of(plain_words(question.words))
    with SHELF.reading() as engine:
        answer = _answer(engine, actor, question, meaning)
    facets = {**answer.facets, "publisher": _named(answer.facets.get("publisher", []))}
    return Found(_hits(actor, question, answer), answer.total, facets)


def _answer(engine: Engine, actor: Actor, question: Question, meaning: NDArray[np.float32] | None) -> Answer:
    query = read_query(question.words)
    resolved = resolve(query, engine.index)
    request = Request(
        sought=resolved.sought,
        excluded=resolved.excluded,
        facts=question.facts,
        fit=question.fit if question.facts is not None else "any",
        filters=_filters(question),
        sort=question.sort,
        organization_id=actor.organization_id,
        permitted=permitted_ids(actor),
        count=question.limit,
        offset=question.offset,
        now=int(time.time()),
        policy_seconds=settings.KEIKEN.reverify_days * 86_400,
    )
    if query.phrases:
        request = replace(request, only=_with_phrases(engine, request, query.phrases))
    if meaning is not None:
        request = replace(request, near=_near(engine, request, meaning), near_words=plain_words(question.words))
    return engine.search(request)


def _filters(question: Question) -> Filters:
    publishers: tuple[int, ...] = ()
    if question.publishers:
        known = Organization.objects.filter(slug__in=question.publishers).values_list("pk", flat=True)
        publishers = tuple(known) or (NOBODY,)
    return Filters(
        topics=tuple(question.topics),
        publishers=publishers,
        verified=tuple(question.verified),
        classes={name: tuple(values) for name, values in question.filters.items()},
    )


def _with_phrases(engine: Engine, request: Request, phrases: Sequence[str]) -> list[int]:
    """Which of the best candidates really have every phrase, as the database knows the order of words."""
    wide = replace(request, count=PHRASE_CANDIDATES, offset=0, with_facets=False, explain=False)
    numbers = [place.experience_id for place in engine.search(wide).places]
    rows = Version.objects.filter(experience__in=numbers, pk=F("experience__latest"))
    for phrase in phrases:
        latin = CJK.sub(" ", phrase).strip()
        for part in [*([latin] if latin else []), *(" ".join(pairs(run)) for run in CJK.findall(phrase))]:
            rows = rows.filter(search=SearchQuery(part, config="english", search_type="phrase"))
    return list(rows.values_list("experience_id", flat=True))


def _near(engine: Engine, request: Request, meaning: NDArray[np.float32]) -> list[int]:
    """Which listings are close in meaning: the index proposes by the vectors' signs, the whole vectors decide."""
    numbers = engine.candidates(request, signs_of(meaning[None])[0])
    rows = Embedding.objects.filter(pk__in=numbers.tolist(), space=space()).exclude(vector=b"")
    found = dict(rows.values_list("pk", "vector"))
    if not found:
        return []
    vectors = np.stack([np.frombuffer(vector, dtype="<f2") for vector in found.values()])
    return close(meaning, np.array(list(found)), vectors, settings.KEIKEN.embedding_min_similarity)


def _named(counts: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    names = dict(Organization.objects.filter(pk__in=[pk for pk, _count in counts]).values_list("pk", "slug"))
    return [(names[pk], count) for pk, count in counts if pk in names]


def _hits(actor: Actor, question: Question, answer: Answer) -> list[Hit]:
    numbers = [place.experience_id for place in answer.places]
    rows = (
        Version.objects.filter(
            experience__in=visible_experiences(actor).filter(pk__in=numbers),
            yanked_at__isnull=True,
            pk=F("experience__latest"),
        )
        .select_related("experience__organization")
        .defer("search", "skill")
    )
    versions = {row.experience_id: row for row in rows}
    return [
        Hit(versions[place.experience_id], _match(versions[place.experience_id], question.facts), place.reasons)
        for place in answer.places
        if place.experience_id in versions
    ]


def _match(version: Version, facts: Mapping[str, Any] | None) -> Match | None:
    return None if facts is None else match(parse(version.manifest.get("conditions") or {}), facts)

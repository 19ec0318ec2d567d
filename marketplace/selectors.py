"""What the shop front reads: listings with proofs and ratings, the verdicts of a version, the home page's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.db.models import Count, F, Func, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import NotFound
from accounts.models import Organization
from experiences.access import visible_experiences
from experiences.models import Attestation, Experience, Verification, Version
from experiences.search.find import Question, find
from experiences.selectors import oldest_valid, verification_status, verification_statuses
from keiken.conditions import Match, match, parse
from licensing.models import Grant
from licensing.selectors import grant_of, offers_of
from marketplace.access import offer_summary
from marketplace.models import ReplayReport
from marketplace.paging import PAGE_SIZE, page, read_offset, write_offset
from marketplace.quality import document_of, score_of
from marketplace.reviews import ratings_of

GRANTS_SHOWN = 200


def outcomes_of(version: Version) -> list[tuple[str, int]]:
    """How many replays of the version were reported with which outcome, most frequent first."""
    rows = ReplayReport.objects.filter(version=version).values("outcome").annotate(count=Count("id"))
    return [(row["outcome"], row["count"]) for row in rows.order_by("-count", "outcome")]


def proof_sheet(verifications: list[Verification], manifest: dict[str, Any]) -> dict[str, Any]:
    """Scenarios down, environments across: ``{environments, rows: [{scenario, outcome, cells}]}``."""
    results = [{result.scenario: result for result in item.results.all()} for item in verifications]
    rows = [
        {
            "scenario": scenario["name"],
            "outcome": scenario.get("outcome", "succeeded"),
            "cells": [_cell(found.get(scenario["name"])) for found in results],
        }
        for scenario in manifest.get("scenarios") or []
    ]
    columns = [{"name": item.environment_name, "verdict": item.verdict, "state": item.state} for item in verifications]
    return {"environments": columns, "rows": rows}


def _cell(result: Any) -> dict[str, str]:
    return {"verdict": result.verdict, "reason": result.reason} if result is not None else {}


def numbers() -> dict[str, int]:
    """What the home page counts, in one query."""
    counted: dict[str, QuerySet[Any]] = {
        "experiences": Experience.objects.filter(visibility="public", hidden_at=None),
        "attestations": Attestation.objects.all(),
        "reports": ReplayReport.objects.all(),
    }
    first, *others = (
        rows.order_by().annotate(what=Value(name)).values_list("what").annotate(Count("pk"))
        for name, rows in counted.items()
    )
    return dict.fromkeys(counted, 0) | dict(first.union(*others, all=True))


def listing_page(
    actor: Actor,
    *,
    topic: str = "",
    organization: str = "",
    facts: Mapping[str, Any] | None = None,
    cursor: str = "",
    limit: int = PAGE_SIZE,
) -> dict[str, Any]:
    """``{results, next, previous}``: what the actor may see, newest first."""
    rows = _listable(actor)
    if topic:
        rows = rows.filter(topics__contains=[topic])
    if organization:
        rows = rows.filter(organization__slug=organization)
    found = page(rows, cursor, limit)
    return {"results": listings(found, facts), "next": found.next, "previous": found.previous}


def front_listings(actor: Actor, limit: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The newest, and the best of those that are proven now: by quality, then by how often they were replayed."""
    rows = _listable(actor)
    newest = list(rows.order_by("-pk")[:limit])
    proven = rows.filter(latest__standing=Version.Standing.PROVEN, latest__proven_at__gt=oldest_valid())
    best = list(proven.order_by(F("quality").desc(nulls_last=True), "-replay_count", "-pk")[:limit])
    shown = listings({row.pk: row for row in [*newest, *best]}.values())
    found = {(item["organization"], item["name"]): item for item in shown}

    def of(side: list[Experience]) -> list[dict[str, Any]]:
        return [found[row.organization.slug, row.name] for row in side]

    return of(newest), of(best)


def published_by(actor: Actor, slug: str, limit: int = 200) -> list[Experience]:
    """What an organization has published, newest first; for ``listings``. Raises NotFound where the actor may see none:
    who has published nothing has no profile, and who has published privately has none for others.
    """
    found = list(_listable(actor).filter(organization__slug=slug).order_by("-pk")[:limit])
    if not found:
        raise NotFound(_("publisher"))
    return found


def listings(experiences: Iterable[Experience], facts: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Experiences of ``_listable`` as the lists show them; three queries for all of them together."""
    rows = list(experiences)
    ratings = ratings_of(row.id for row in rows)
    statuses = verification_statuses(row.latest for row in rows if row.latest is not None)
    found = []
    for row in rows:
        assert row.latest is not None, "_listable leaves out what has no version"
        item = _listing(row, row.latest, row.license, statuses[row.latest.pk], ratings[row.id])  # type: ignore[attr-defined]  # annotated
        if facts is not None:
            item["fit"] = fit(match(parse(row.conditions or {}), facts))  # type: ignore[attr-defined]  # annotated
        found.append(item)
    return found


def _listing(
    experience: Experience, latest: Version, license: str, status: Mapping[str, Any], rating: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "organization": experience.organization.slug,
        "name": experience.name,
        "title": experience.title,
        "summary": experience.summary,
        "topics": experience.topics,
        "visibility": experience.visibility,
        "license": license,
        "latest_version": latest.version,
        "verification": status,
        "rating": rating,
        "quality": experience.quality,
    }


def search(actor: Actor, question: Question, cursor: str = "") -> dict[str, Any]:
    """``{results, next, total, facets}``: listings with ``fit`` (None without facts) and ``reasons``, best first."""
    start = read_offset(cursor)
    found = find(actor, replace(question, offset=start))
    ratings = ratings_of(hit.version.experience_id for hit in found.hits)
    statuses = verification_statuses(hit.version for hit in found.hits)
    rows = []
    for hit in found.hits:
        version, experience = hit.version, hit.version.experience
        license = str(version.manifest.get("license", ""))
        item = _listing(experience, version, license, statuses[version.pk], ratings[experience.pk])
        reasons = [{"word": it.word, "term": it.term, "where": list(it.fields)} for it in hit.reasons]
        rows.append({**item, "fit": fit(hit.fit) if hit.fit is not None else None, "reasons": reasons})
    end = start + question.limit
    facets = {
        name: [{"value": value, "count": count} for value, count in values] for name, values in found.facets.items()
    }
    following = write_offset(end) if end < found.total else None
    return {"results": rows, "next": following, "total": found.total, "facets": facets}


def listing_detail(actor: Actor, experience: Experience) -> dict[str, Any]:
    """Everything about one experience that somebody who may see it needs to decide."""
    latest = experience.latest
    if latest is None:
        raise NotFound(_("experience"))
    manifest = latest.manifest
    own = actor.acts_for(experience.organization_id)
    offers = offers_of(experience, actor)
    base = _listing(
        experience,
        latest,
        str(manifest.get("license", "")),
        verification_status(latest),
        ratings_of([experience.pk])[experience.pk],
    )
    return {
        **base,
        "quality_parts": document_of(score_of(experience)),
        "versions": [
            {
                "version": row.version,
                "digest": row.blob_id,
                "published_at": row.published_at,
                "yanked": row.yanked_at is not None,
            }
            for row in versions_of(experience)
        ],
        "offers": [offer_summary(offer) for offer in offers],
        "granted": own or grant_of(actor, experience) is not None,
        "conditions": condition_texts(latest),
        "permissions": manifest.get("permissions") or {},
        "parameters": manifest.get("parameters") or {},
        "steps": manifest.get("steps") or [],
    }


def _version(row: Version) -> dict[str, Any]:
    return {
        "version": row.version,
        "digest": row.blob_id,
        "published_at": row.published_at,
        "yanked": row.yanked_at is not None,
    }


def topics(actor: Actor, limit: int = 50) -> list[str]:
    """The topics of what the actor may see, the most frequent first."""
    rows = (
        visible_experiences(actor)
        .order_by()
        .annotate(topic=Func(F("topics"), function="unnest"))
        .values("topic")
        .annotate(count=Count("id"))
        .order_by("-count", "topic")
    )
    return [row["topic"] for row in rows[:limit]]


def _listable(actor: Actor) -> QuerySet[Experience]:
    # The manifest can be large and a list needs one word of it.
    return (
        visible_experiences(actor)
        .filter(latest__isnull=False)
        .select_related("organization", "latest")
        .defer("latest__manifest", "latest__skill", "latest__search")
        .annotate(
            license=KeyTextTransform("license", "latest__manifest"),
            conditions=KeyTransform("conditions", "latest__manifest"),
        )
    )


def versions_of(experience: Experience) -> list[Version]:
    """Newest first, without their documents."""
    return list(experience.versions.defer("manifest", "skill", "search").order_by("-published_at", "-pk")[:100])


def condition_texts(version: Version) -> list[str]:
    return [condition.text() for condition in parse(version.manifest.get("conditions") or {})]


def fit(found: Match) -> dict[str, Any]:
    """``{status, findings: [{condition, status, found}]}``: one condition that fails decides, then one unknown."""
    findings = [
        {"condition": item.condition.text(), "status": item.status, "found": item.found} for item in found.findings
    ]
    states = {item["status"] for item in findings}
    status = "fails" if "fails" in states else "unknown" if "unknown" in states else "holds"
    return {"status": status, "findings": findings}


def grants_held(organization: Organization) -> list[Grant]:
    return list(_grants().filter(organization=organization)[:GRANTS_SHOWN])


def grants_given(organization: Organization) -> list[Grant]:
    return list(_grants().filter(experience__organization=organization)[:GRANTS_SHOWN])


def _grants() -> QuerySet[Grant]:
    return Grant.objects.select_related(
        "organization", "experience__organization", "acceptance__offer__terms"
    ).order_by("-starts_at", "pk")

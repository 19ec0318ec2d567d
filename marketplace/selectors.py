"""What the shop front reads: listings with proofs and ratings, the verdicts of a version, the home page's numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Avg, Count, F, Func, QuerySet
from django.db.models.fields.json import KeyTextTransform

from accounts.actors import Actor
from accounts.models import Membership, Organization
from experiences.models import Attestation, Experience, Verification, Version
from keiken.conditions import match, parse
from licensing.models import Grant
from marketplace.models import Rating, ReplayReport
from marketplace.paging import PAGE_SIZE, page

RATINGS_SHOWN = 20
GRANTS_SHOWN = 200


def ratings_of(experience_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """``{experience_id: {"mean": 4.5, "count": 2}}`` in one query; unrated ones have mean None."""
    wanted = list(experience_ids)
    rows = (
        Rating.objects.filter(experience_id__in=wanted)
        .values("experience_id")
        .annotate(mean=Avg("stars"), count=Count("id"))
    )
    found = {row["experience_id"]: {"mean": round(row["mean"], 2), "count": row["count"]} for row in rows}
    return {number: found.get(number, {"mean": None, "count": 0}) for number in wanted}


def latest_ratings(experience: Experience) -> list[Rating]:
    return list(
        Rating.objects.filter(experience=experience)
        .select_related("organization", "report")
        .defer("report__report")
        .order_by("-changed_at")[:RATINGS_SHOWN]
    )


def outcomes_of(version: Version) -> list[tuple[str, int]]:
    """How many replays of the version were reported with which outcome, most frequent first."""
    rows = ReplayReport.objects.filter(version=version).values("outcome").annotate(count=Count("id"))
    return [(row["outcome"], row["count"]) for row in rows.order_by("-count", "outcome")]


def newest_verifications(version: Version) -> list[Verification]:
    """The newest verification of each environment, with its results; a done one before an open one of the same."""
    rows = (
        Verification.objects.filter(version=version)
        .select_related("environment", "attestation")
        .prefetch_related("results")
        .order_by("environment_name", "-created_at")
        .distinct("environment_name")
    )
    return list(rows)


def history_of(version: Version, limit: int = 50) -> list[Verification]:
    return list(Verification.objects.filter(version=version).order_by("-created_at")[:limit])


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
    """What the home page counts."""
    return {
        "experiences": Experience.objects.filter(visibility="public").count(),
        "attestations": Attestation.objects.count(),
        "reports": ReplayReport.objects.count(),
    }


def listing_page(
    actor: Actor, *, topic: str = "", organization: str = "", cursor: str = "", limit: int = PAGE_SIZE
) -> dict[str, Any]:
    """``{results, next, previous}``: what the actor may see, newest first."""
    rows = _listable(actor)
    if topic:
        rows = rows.filter(topics__contains=[topic])
    if organization:
        rows = rows.filter(organization__slug=organization)
    found = page(rows, cursor, limit)
    return {"results": listings(found), "next": found.next, "previous": found.previous}


def newest_listings(actor: Actor, limit: int) -> list[dict[str, Any]]:
    return listings(_listable(actor).order_by("-pk")[:limit])


def listings(experiences: Iterable[Experience]) -> list[dict[str, Any]]:
    """Experiences as the lists show them; two queries for all of them together."""
    rows = list(experiences)
    ratings = ratings_of(row.id for row in rows)
    statuses = verification_statuses([row.latest for row in rows if row.latest is not None])
    return [
        {
            "organization": row.organization.slug,
            "name": row.name,
            "title": row.title,
            "summary": row.summary,
            "topics": row.topics,
            "visibility": row.visibility,
            "license": row.license,  # type: ignore[attr-defined]  # annotated by _listable
            "latest_version": row.latest.version if row.latest else None,
            "verification": statuses.get(row.latest_id or 0, {"status": "unverified"}),
            "rating": ratings[row.id],
        }
        for row in rows
    ]


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
        .annotate(license=KeyTextTransform("license", "latest__manifest"))
    )


def versions_of(experience: Experience) -> list[Version]:
    """Newest first, without their documents."""
    return list(experience.versions.defer("manifest", "skill", "search").order_by("-published_at", "-pk")[:100])


def condition_texts(version: Version) -> list[str]:
    return [condition.text() for condition in parse(version.manifest.get("conditions") or {})]


def fit_of(version: Version, facts: dict[str, Any]) -> dict[str, Any]:
    """``{status, findings: [{condition, status, found}]}`` of one version on a machine with these facts."""
    findings = match(parse(version.manifest.get("conditions") or {}), facts).findings
    found = [{"condition": item.condition.text(), "status": item.status, "found": item.found} for item in findings]
    states = {item["status"] for item in found}
    status = "fails" if "fails" in states else "unknown" if "unknown" in states else "holds"
    return {"status": status, "findings": found}


def memberships_of(person_id: int) -> list[Membership]:
    rows = Membership.objects.filter(person_id=person_id).select_related("organization")
    return list(rows.order_by("organization__name", "pk"))


def grants_held(organization: Organization) -> list[Grant]:
    return list(_grants().filter(organization=organization)[:GRANTS_SHOWN])


def grants_given(organization: Organization) -> list[Grant]:
    return list(_grants().filter(experience__organization=organization)[:GRANTS_SHOWN])


def _grants() -> QuerySet[Grant]:
    return Grant.objects.select_related(
        "organization", "experience__organization", "acceptance__offer__terms"
    ).order_by("-starts_at", "pk")

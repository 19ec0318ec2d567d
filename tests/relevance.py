"""The judged set of benchmarks/relevance: its listings put on the shelf, its queries asked and scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from accounts.models import Organization
from experiences.models import Blob, Experience, Version
from experiences.search.find import Question, find
from experiences.services.listing import choose_latest, index
from keiken.package import load
from tests import factories

PROJECT = Path(__file__).resolve().parent.parent
JUDGED = PROJECT / "benchmarks" / "relevance"
DEPTH = 10


@dataclass(frozen=True)
class Judged:
    query: str
    ndcg: float
    found: list[str]

    @property
    def is_japanese(self) -> bool:
        return any(ord(letter) > 0x3000 for letter in self.query)


def ndcg(found: Sequence[str], grades: Mapping[str, int]) -> float:
    """Normalized discounted cumulative gain of the first ten, with gains of 2**grade - 1 (Burges and others, 2005)."""
    ideal = _gain(sorted(grades.values(), reverse=True))
    return _gain([grades.get(name, 0) for name in found]) / ideal


def _gain(grades: Sequence[int]) -> float:
    return sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades[:DEPTH]))


def put_on_the_shelf() -> None:
    """All listings as a publisher's latest versions, by the services that list what is published."""
    organization = factories.organization("judged")
    for number, (manifest, skill) in enumerate([*_invented(), *_examples()]):
        _list(organization, number, manifest, skill)


def judge() -> list[Judged]:
    queries: dict[str, dict[str, int]] = yaml.safe_load((JUDGED / "queries.yaml").read_text())
    results = []
    for query, grades in queries.items():
        hits = find(factories.owner_actor(Organization.objects.get()), Question(words=query, limit=DEPTH)).hits
        names = [hit.version.experience.name for hit in hits]
        results.append(Judged(query, ndcg(names, grades), names))
    return results


def mean(results: Sequence[Judged]) -> float:
    return sum(result.ndcg for result in results) / len(results)


def _invented() -> list[tuple[dict[str, Any], dict[str, str]]]:
    found = []
    for item in yaml.safe_load((JUDGED / "listings.yaml").read_text()):
        steps = [{"id": f"s{number}", "title": title, "run": ["true"]} for number, title in enumerate(item["steps"])]
        skill = {"name": item["name"], "description": item["summary"], "body": ""}
        found.append(({**item, "steps": steps, "version": "1.0.0"}, skill))
    return found


def _examples() -> list[tuple[dict[str, Any], dict[str, str]]]:
    found = []
    for path in sorted((PROJECT / "examples").glob("*/experience.yaml")):
        package = load(path.parent)
        manifest = package.manifest.model_dump(mode="json", exclude_none=True)
        skill = {
            "name": package.skill.name, "description": package.skill.description, "body": package.skill.body
        }  # fmt: skip
        found.append((manifest, skill))
    return found


def _list(organization: Organization, number: int, manifest: dict[str, Any], skill: dict[str, str]) -> None:
    experience = Experience.objects.create(organization=organization, name=manifest["name"], title=manifest["title"])
    blob = Blob.objects.create(digest=f"sha256:{number:064x}", size_bytes=1)
    version = Version.objects.create(
        experience=experience, version="1.0.0", major=1, blob=blob, manifest=manifest, skill=skill, published_by="judge"
    )
    index(version)
    choose_latest(experience)

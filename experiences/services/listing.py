"""What a listing tells of an experience: it is always the text of the version that is the latest."""

from __future__ import annotations

from functools import reduce
from operator import add

from django.contrib.postgres.search import SearchVector
from django.db.models import Value

from experiences.domain.semver import precedence
from experiences.domain.words import indexed
from experiences.models import Experience, Version

TEXT_CHARACTERS = 20_000
"""Of steps and body together: a search vector holds 1 MiB of words, and CJK texts give two for each character."""


def choose_latest(experience: Experience) -> None:
    """Make the highest version that was not yanked the latest, and list its text.

    Call it while holding the lock of the experience's row.
    """
    left = experience.versions.filter(yanked_at__isnull=True).only("pk", "version")
    # Equal but for build data: the one published last.
    best = max(left, key=lambda row: (precedence(row.version), row.pk), default=None)
    experience.latest = Version.objects.get(pk=best.pk) if best else None
    if experience.latest is not None:
        manifest = experience.latest.manifest
        experience.title = manifest["title"]
        experience.summary = manifest.get("summary") or experience.latest.skill["description"]
        experience.topics = manifest.get("topics", [])
    experience.save(update_fields=["latest", "title", "summary", "topics"])


def index(version: Version) -> None:
    """Write the version's search vector: title over topics over summary over steps; English stems, CJK in pairs."""
    manifest, skill = version.manifest, version.skill
    steps = " ".join(step.get("title") or step["id"].replace("_", " ") for step in manifest["steps"])
    weights = {
        "A": f"{manifest['title']} {manifest['name'].replace('-', ' ')}",
        "B": " ".join(manifest.get("topics", [])).replace("-", " "),
        "C": f"{manifest.get('summary', '')} {skill['description']}",
        "D": f"{steps} {skill['body']}"[:TEXT_CHARACTERS],
    }
    parts = [SearchVector(Value(indexed(text)), weight=weight, config="english") for weight, text in weights.items()]
    Version.objects.filter(pk=version.pk).update(search=reduce(add, parts))

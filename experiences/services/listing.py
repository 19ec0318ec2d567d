"""What a listing tells of an experience and is found by: it is always the text of the version that is the latest."""

from __future__ import annotations

from functools import reduce
from operator import add

from django.contrib.postgres.search import SearchVector
from django.db.models import Value

from experiences.domain.semver import precedence
from experiences.domain.terms import language_of, postings_of, trigrams
from experiences.domain.words import indexed
from experiences.models import Experience, SearchEntry, SearchWord, Version
from experiences.services.embedding_rows import want_embeddings
from experiences.services.standing import proven_environments
from keiken.package.manifest import ACTIONS

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
    _enter(experience)


def index(version: Version) -> None:
    """Write the version's search vector, in which quoted phrases are looked up."""
    parts = [
        SearchVector(Value(indexed(text)), weight=weight, config="english")
        for weight, text in zip("ABCD", texts_of(version).values(), strict=True)
    ]
    Version.objects.filter(pk=version.pk).update(search=reduce(add, parts))


def texts_of(version: Version) -> dict[str, str]:
    """By field, the one that counts most first: title, topics, summary, steps."""
    manifest, skill = version.manifest, version.skill
    return {
        "title": f"{manifest['title']} {manifest['name'].replace('-', ' ')}",
        "topics": " ".join(manifest.get("topics", [])).replace("-", " "),
        "summary": f"{manifest.get('summary', '')} {skill['description']}",
        "steps": f"{step_titles(version)} {skill['body']}"[:TEXT_CHARACTERS],
    }


def step_titles(version: Version) -> str:
    return " ".join(step.get("title") or step["id"].replace("_", " ") for step in version.manifest["steps"])


def actions_of(version: Version) -> list[str]:
    return sorted({name for step in version.manifest["steps"] for name in ACTIONS if name in step})


def _enter(experience: Experience) -> None:
    """Write the entry by which the experience is found. What layers above wrote into it stays."""
    latest = experience.latest
    if latest is None:
        SearchEntry.objects.filter(experience=experience).update(version=None, keys=b"", marks=b"")
        return
    postings = postings_of(texts_of(latest))
    SearchEntry.objects.update_or_create(
        experience=experience,
        defaults={
            "version": latest,
            "keys": postings.keys.tobytes(),
            "marks": postings.marks.tobytes(),
            "language": language_of(f"{experience.title} {experience.summary}"),
            "actions": actions_of(latest),
            "environments": proven_environments(latest.pk),
        },
    )
    # In one order: two who write the same words in opposite orders would wait for each other.
    words = [SearchWord(word=word, trigrams=trigrams(word)) for word in sorted(postings.words) if len(word) > 2]
    SearchWord.objects.bulk_create(words, ignore_conflicts=True)
    want_embeddings([experience.pk])

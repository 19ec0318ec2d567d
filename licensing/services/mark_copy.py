"""Each license's own copy of a package, and whose copy a leaked one was.

A copy is made at the first download and kept on disk by digest and license. The marks are two bits a line, from a keyed
hash of license and package: nobody can tell them from another license's without the key, or put another's there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import comb
from pathlib import Path

from django.conf import settings

from experiences.blobs import open_blob
from experiences.models import Version
from keiken.errors import PackageError
from keiken.package import archive, watermark
from keiken.package.skill import FILE as SKILL
from licensing.models import Grant

CHANCE = 0.01
"""What is likelier to be an accident is not reported; each report says how likely it is."""


_unmarkable: set[str] = set()
"""Digests of packages that can carry no mark, so that it is tried once in each process. It follows from the bytes."""


def marked_copy(digest: str, grant_id: uuid.UUID | str) -> Path | None:
    """The license's copy; None where nothing in the package can carry a mark, or it cannot be kept."""
    path = _path(digest, grant_id)
    if digest in _unmarkable:
        return None
    if path.is_file():
        return path
    with open_blob(digest) as file:
        data = file.read()
    marked = watermark.marked(data, str(grant_id), _symbols(digest, grant_id))
    if marked is None or watermark.original(marked) != data:
        _unmarkable.add(digest)
        return None
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(marked)
        temporary.replace(path)
    except OSError:
        # A full disk is no reason to refuse what was paid for.
        temporary.unlink(missing_ok=True)
        return None
    return path


def _path(digest: str, grant_id: uuid.UUID | str) -> Path:
    name = digest.removeprefix("sha256:")
    return Path(os.fspath(settings.KEIKEN.data_dir)) / "copies" / name[:2] / name / f"{grant_id}.tar.gz"


def _symbols(digest: str, grant_id: uuid.UUID | str) -> Iterator[int]:
    key = hashlib.sha256(b"keiken watermark\0" + settings.SECRET_KEY.encode()).digest()
    block = 0
    while True:
        for byte in hmac.digest(key, f"{grant_id}\0{digest}\0{block}".encode(), "sha256"):
            yield from (byte >> shift & 3 for shift in (0, 2, 4, 6))
        block += 1


# --- whose copy it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A license whose marks a leaked copy shows. ``by``: ``header`` or ``text``; ``chance`` that it is an accident."""

    grant: Grant
    version: Version
    by: str
    agreeing: int = 0
    lines: int = 0
    chance: float = 0.0


def trace_leak(content: bytes) -> list[Trace]:
    """The licenses that a leaked archive or SKILL.md points to, the surest first. Empty: none."""
    mark = watermark.mark_of(content)
    texts = _texts(content)
    found = [trace for version in _versions(texts) for trace in _by_text(version, texts)]
    if mark is not None and not any(str(trace.grant.pk) == mark.license for trace in found):
        found += _by_header(mark.license)
    return sorted(found, key=lambda trace: trace.chance)


def _texts(content: bytes) -> dict[str, str]:
    """The Markdown in an archive by path; of anything else, the whole as SKILL.md."""
    try:
        files = archive.read_files(content)
    except PackageError:
        return {SKILL: content.decode("utf-8", "replace")}
    return {
        path: (file.content or b"").decode("utf-8", "replace") for path, file in files.items() if path.endswith(".md")
    }


def _versions(texts: dict[str, str]) -> list[Version]:
    """What could have been leaked: the name stands in the front matter; where that was cut away, every version."""
    lines = texts.get(SKILL, "").split("\n")[:40]
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("name:")]
    versions = Version.objects.select_related("experience__organization").order_by("-published_at")
    return list(versions.filter(experience__name=named[0]) if named else versions)


def _by_text(version: Version, texts: dict[str, str]) -> list[Trace]:
    with open_blob(version.blob_id) as file:
        published = watermark.markable(archive.read_files(file.read()))
    shown: list[int | None] = []
    for path, text in published.items():
        marks = watermark.read_marks(texts[path], text) if path in texts else []
        shown += marks or [None] * len(watermark.carriers(text))
    grants = Grant.objects.filter(experience_id=version.experience_id)
    found = []
    for grant in grants.select_related("organization", "experience__organization"):
        expected = islice(_symbols(version.blob_id, grant.pk), len(shown))
        pairs = [(mine, theirs) for mine, theirs in zip(expected, shown, strict=True) if theirs is not None]
        agreeing = sum(mine == theirs for mine, theirs in pairs)
        chance = _chance(agreeing, len(pairs)) * len(grants)
        if chance < CHANCE:
            found.append(
                Trace(grant=grant, version=version, by="text", agreeing=agreeing, lines=len(pairs), chance=chance)
            )
    return found


def _by_header(license: str) -> list[Trace]:
    """What the header says. It is not signed: anybody may write another license there."""
    try:
        grant = Grant.objects.select_related("organization", "experience__organization").get(pk=uuid.UUID(license))
    except (ValueError, Grant.DoesNotExist):
        return []
    version = grant.experience.versions.order_by("-published_at").first()
    return [] if version is None else [Trace(grant=grant, version=version, by="header", chance=1.0)]


def _chance(agreeing: int, lines: int) -> float:
    """That at least so many of the lines agree by accident, one in four each: the tail of the binomial distribution."""
    return sum(comb(lines, k) * 3 ** (lines - k) for k in range(agreeing, lines + 1)) / 4**lines if lines else 1.0

"""The runbook of a version: the procedure in words and the files it needs, for a person who follows it by hand.

It holds files of the package, so whoever reads it needs what whoever downloads needs, and the audit trail says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.refusals import NotFound, Refusal
from accounts.services import audit
from experiences.blobs import open_blob
from experiences.models import Version
from keiken.package.archive import read_files
from marketplace.access import entitlement

LEFT_OUT = ("SKILL.md", "experience.yaml", "trace/", "LICENSE")
FILE_BYTES_LIMIT = 16_000
FILES_BYTES_LIMIT = 48_000
"""Of all files together: more than that nobody types, and the page stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtFile:
    """A file of the package. ``text`` is None for one that is too long to print, or no text."""

    path: str
    size_bytes: int
    text: str | None


def read_runbook(*, actor: Actor, version: Version) -> list[BroughtFile]:
    """The files that the runbook brings along, by path.

    Raises what ``entitlement`` raises, written down; NotFound when the store has lost the package.
    """
    _decide(actor, version)
    try:
        with open_blob(version.blob_id) as file:
            content = read_files(file.read())
    except FileNotFoundError:
        raise NotFound("package") from None
    found, left = [], FILES_BYTES_LIMIT
    for path in sorted(path for path in content if not path.startswith(LEFT_OUT)):
        data = content[path].content or b""
        text = _text(data) if len(data) <= min(left, FILE_BYTES_LIMIT) else None
        left -= len(data) if text is not None else 0
        found.append(BroughtFile(path=path, size_bytes=len(data), text=text))
    return found


def _decide(actor: Actor, version: Version) -> None:
    if actor.is_operator:
        return
    refusal: Refusal | None = None
    with transaction.atomic(durable=True):
        try:
            entitlement(
                actor, version.experience, scope="read", permission="download_experience", version=version.version
            )
        except Refusal as error:
            refusal = error
        if actor.is_known:
            audit.record(
                actor=actor,
                action="runbook.refuse" if refusal else "runbook.read",
                target=str(version),
                organization_id=actor.organization_id,
                details={"digest": version.blob_id, **({"code": refusal.code} if refusal else {})},
            )
    if refusal is not None:
        raise refusal


def _text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if all(character.isprintable() or character in "\n\t\r" for character in text) else None

"""Reading the public log: its checkpoint, its entries, and proofs that are made from the kept hashes alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.domain.refusals import Invalid, NotFound
from experiences.models import Attestation, IndependentStatement, LogEntry, LogHead, LogNode, Summary, Version
from keiken.trust.log import LogProof
from keiken.trust.merkle import consistency_proof, inclusion_proof
from keiken.trust.statements import EXTENSION
from keiken.trust.summaries import SUMMARY_EXTENSION

ATTESTATIONS_SHOWN = 200
ENTRIES_AT_ONCE = 500
Node = tuple[int, int]


def stored_nodes(wanted: Iterable[Node]) -> dict[Node, bytes]:
    """The hashes of complete subtrees ``(level, place)``, in one query for each level. Raises KeyError for a gap."""
    levels: dict[int, set[int]] = {}
    for level, place in wanted:
        levels.setdefault(level, set()).add(place)
    chosen = Q(pk__in=[])
    for level, places in levels.items():
        chosen |= Q(level=level, place__in=places)
    found = {(row.level, row.place): bytes(row.hash) for row in LogNode.objects.filter(chosen)} if levels else {}
    missing = {(level, place) for level, places in levels.items() for place in places} - set(found)
    if missing:
        raise KeyError(f"the log lacks the hashes {sorted(missing)[:3]}")
    return found


def head() -> LogHead:
    """Raises NotFound before anything was logged."""
    row = LogHead.objects.filter(size__gt=0).first()
    if row is None:
        raise NotFound(_("entry of the public log"))
    return row


def proofs(entries: Sequence[LogEntry], size: int) -> list[LogProof]:
    """For each entry the proof that it is in the log of ``size``; one query for all of them."""
    inside = [entry for entry in entries if entry.index < size]

    def path(index: int) -> Callable[[Callable[[int, int], bytes]], list[bytes]]:
        return lambda lookup: inclusion_proof(index, size, lookup)

    paths = _computed([path(entry.index) for entry in inside])
    return [LogProof(entry.index, entry.leaf, tuple(hashes)) for entry, hashes in zip(inside, paths, strict=True)]


def consistency(first: int, second: int) -> list[str]:
    """The hashes in base64. Raises Invalid ``log_sizes_invalid`` or NotFound for a size that was never reached."""
    if not 0 <= first <= second:
        raise Invalid(
            "log_sizes_invalid",
            _("A log of {second} entries does not begin with one of {first}.").format(first=first, second=second),
            _("Give the smaller size as 'first'."),
        )
    if second > head().size:
        raise NotFound(_("entry of the public log"))
    (hashes,) = _computed([lambda lookup: consistency_proof(first, second, lookup)])
    return [base64.b64encode(item).decode() for item in hashes]


def _computed(makers: Sequence[Callable[[Callable[[int, int], bytes]], list[bytes]]]) -> list[list[bytes]]:
    """What the makers return. They run twice: once to see which hashes they need, once with these."""
    wanted: set[Node] = set()

    def note(level: int, place: int) -> bytes:
        wanted.add((level, place))
        return bytes(32)

    for make in makers:
        make(note)
    found = stored_nodes(wanted)
    return [make(lambda level, place: found[level, place]) for make in makers]


def entries_from(start: int, limit: int) -> list[dict[str, Any]]:
    rows = LogEntry.objects.filter(index__gte=start).order_by("index")[: min(limit, ENTRIES_AT_ONCE)]
    fields = ("index", "kind", "digest", "leaf", "logged_at")
    return [{name: getattr(row, name) for name in fields} for row in rows]


def inclusion(*, index: int | None, digest: str, size: int | None) -> dict[str, Any]:
    """Where an entry is and the proof of it. Raises NotFound."""
    last = head().size
    wanted = last if size is None else size
    found = LogEntry.objects.filter(Q(digest=digest) if digest else Q(index=-1 if index is None else index)).first()
    if found is None or not found.index < wanted <= last:
        raise NotFound(_("entry of the public log"))
    (proof,) = proofs([found], wanted)
    return {"size": wanted, **proof.document()}


def attestations_document(version: Version) -> dict[str, Any]:
    """The signed statements about a version, newest first, the summary, and the proofs that the log has them."""
    log = LogHead.objects.filter(size__gt=0).first()
    size = log.size if log else 0
    rows = list(
        Attestation.objects.filter(verification__version=version)
        .select_related("log_entry")
        .order_by("-created_at")[:ATTESTATIONS_SHOWN]
    )
    summary = Summary.objects.filter(version=version).select_related("log_entry").order_by("-created_at").first()
    others = list(
        IndependentStatement.objects.filter(version=version)
        .select_related("log_entry", "organization")
        .order_by("-created_at")[:ATTESTATIONS_SHOWN]
    )
    everything = [*rows, *others, *([summary] if summary else [])]
    entries = [row.log_entry for row in everything if hasattr(row, "log_entry")]
    by_index = {proof.index: proof.document() for proof in proofs(entries, size)}
    return {
        "digest": version.blob_id,
        "attestations": [_shown(row, by_index) for row in rows],
        "summary": _shown(summary, by_index) if summary else None,
        "independent": [
            {**_shown(row, by_index), "organization": row.organization.slug, "public_key": row.public_key}
            for row in others
        ],
        "checkpoint": log.checkpoint if log else "",
    }


def _shown(row: Attestation | Summary | IndependentStatement, by_index: dict[int, dict[str, Any]]) -> dict[str, Any]:
    ends = valid_until(row.envelope)
    return {
        "id": row.pk,
        "created_at": row.created_at,
        "valid_until": ends,
        "is_expired": ends is not None and ends <= timezone.now(),
        "envelope": row.envelope,
        "log": by_index.get(row.log_entry.index) if hasattr(row, "log_entry") else None,
    }


def signed_facts(attestation: Attestation) -> dict[str, Any]:
    """For pages: until when an attestation counts as proof, and its entry in the log (None: not there yet)."""
    ends = valid_until(attestation.envelope)
    return {
        "valid_until": ends,
        "is_expired": ends is not None and ends <= timezone.now(),
        "index": attestation.log_entry.index if hasattr(attestation, "log_entry") else None,
    }


def valid_until(envelope: dict[str, Any]) -> datetime | None:
    """What a statement of ours says itself; None for one that was signed without an end."""
    predicate = json.loads(base64.b64decode(envelope["payload"])).get("predicate") or {}
    ends = (predicate.get(EXTENSION) or predicate.get(SUMMARY_EXTENSION) or {}).get("validUntil")
    return datetime.fromisoformat(ends) if ends else None

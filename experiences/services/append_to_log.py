"""Writing into the public log: whoever appends locks its head first, so that entries never fork, double or skip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from experiences.models import Attestation, IndependentStatement, LogEntry, LogHead, LogNode, Summary
from experiences.public_log import stored_nodes
from experiences.services.signing import signing_key
from keiken.trust import SigningKey
from keiken.trust.checkpoints import Checkpoint, sign_checkpoint
from keiken.trust.log import envelope_digest, leaf_of
from keiken.trust.merkle import completed_by, leaf_hash, root

M = TypeVar("M", Attestation, Summary, IndependentStatement)
AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Loggable:
    """A signed envelope, and the row that holds it where that is one of its own."""

    kind: str
    envelope: dict[str, Any]
    attestation: Attestation | None = None
    summary: Summary | None = None
    independent: IndependentStatement | None = None


def lock_head() -> LogHead:
    """The head, locked until the transaction ends; made at first use, also when two processes come at once."""
    LogHead.objects.bulk_create([LogHead(id=1)], ignore_conflicts=True)
    return LogHead.objects.select_for_update().get(id=1)


def append(head: LogHead, items: Sequence[Loggable], key: SigningKey) -> None:
    """Write entries in this order and sign the new checkpoint, in the caller's transaction that locked ``head``."""
    now = timezone.now()
    nodes = _right_edge(head.size)
    for number, item in enumerate(items):
        _append_one(head.size + number, item, now, nodes)
    head.size += len(items)
    checkpoint = Checkpoint(origin(), head.size, root(head.size, lambda level, place: nodes[level, place]))
    head.checkpoint = sign_checkpoint(checkpoint, key)
    head.signed_at = now
    head.save()


def _append_one(index: int, item: Loggable, now: datetime, nodes: dict[tuple[int, int], bytes]) -> None:
    digest = envelope_digest(item.envelope)
    leaf = leaf_of(kind=item.kind, digest=digest, logged_at=now.isoformat(timespec="seconds"))
    LogEntry.objects.create(
        index=index,
        kind=item.kind,
        digest=digest,
        leaf=leaf,
        attestation=item.attestation,
        summary=item.summary,
        independent=item.independent,
        logged_at=now,
    )
    found = completed_by(index, leaf_hash(leaf.encode()), lambda level, place: nodes[level, place])
    LogNode.objects.bulk_create(LogNode(level=level, place=place, hash=value) for level, place, value in found)
    nodes.update({(level, place): value for level, place, value in found})


def _right_edge(size: int) -> dict[tuple[int, int], bytes]:
    """The subtrees that the next leaves join with: one for each bit of ``size``."""
    wanted = [(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1]
    return stored_nodes(wanted)


def append_missing() -> int:
    """Log what was signed elsewhere or before there was a log, oldest first, each once. How many entries."""
    with transaction.atomic(durable=True):
        head = lock_head()
        items = [
            *(Loggable(kind="attestation", envelope=r.envelope, attestation=r) for r in _unlogged(Attestation)),
            *(Loggable(kind="summary", envelope=r.envelope, summary=r) for r in _unlogged(Summary)),
            *(
                Loggable(kind="independent", envelope=r.envelope, independent=r)
                for r in _unlogged(IndependentStatement)
            ),
        ]
        if items:
            append(head, items, signing_key())
    return len(items)


def is_missing() -> bool:
    """Whether something signed waits for its entry."""
    return any(
        model.objects.filter(log_entry__isnull=True).exists() for model in (Attestation, Summary, IndependentStatement)
    )


def _unlogged(model: type[M]) -> Iterable[M]:
    return model._default_manager.filter(log_entry__isnull=True).order_by("created_at", "pk")[:AT_ONCE]


def origin() -> str:
    """The name of this log: the address of the site without its scheme."""
    parts = urlsplit(settings.KEIKEN.site_url)
    return f"{parts.netloc}{parts.path}".rstrip("/") + "/log"

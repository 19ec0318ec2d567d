"""The index of this process, in step with the database: every search first asks what changed.

Asking costs one look into an index of the database; nothing listens, and nothing runs between searches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray

from experiences.embedding import space
from experiences.models import Condition, Embedding, SearchEntry, Version
from experiences.search.columns import DOUBTED, NEUTRAL, PROVEN, Class, Listing
from experiences.search.engine import Engine
from experiences.search.meaning import Signs
from keiken.conditions import Condition as Predicate

BATCH = 2_000
Buffer = bytes | memoryview
NO_TEXT: tuple[Buffer, Buffer] = (b"", b"")
CHANGES_KEPT_SECONDS = 24 * 3600
"""Older rows of SearchChange are swept."""
STALE_SECONDS = CHANGES_KEPT_SECONDS / 2
"""A process that did not ask for so long begins anew rather than trust what is left of the changes."""
_FIELDS = (
    "experience_id",
    "version_id",
    "experience__organization_id",
    "experience__visibility",
    "experience__topics",
    "experience__quality",
    "experience__replay_count",
    "version__condition_ids",
    "version__standing",
    "version__proven_at",
    "version__published_at",
    "environments",
    "actions",
    "license_kinds",
    "price",
    "language",
)
_STANDINGS = {Version.Standing.DOUBTED: DOUBTED, Version.Standing.PROVEN: PROVEN}
_CHANGES = """
SELECT oldest.xid, change.id, change.experience_id
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid) AS oldest
LEFT JOIN experiences_searchchange AS change ON change.xid >= %s
"""


class Shelf:
    """One index and how far it has read. Not for two threads at once: ``reading`` holds the lock."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._lock = threading.RLock()
        self._read_xid = 0
        self._applied: set[int] = set()
        """Changes of transactions that may still have company: they are asked for again, and skipped."""
        self._asked_at = 0.0

    @contextmanager
    def reading(self) -> Iterator[Engine]:
        """The index with everything that was committed before; nobody changes it inside."""
        with self._lock:
            is_stale = time.monotonic() - self._asked_at > STALE_SECONDS
            if self._engine is None or is_stale or self._engine.is_worn:
                self._load()
            else:
                self._catch_up(self._engine)
            self._asked_at = time.monotonic()
            assert self._engine is not None, "loaded above"
            yield self._engine

    def forget(self) -> None:
        """Begin anew at the next search."""
        with self._lock:
            self._engine, self._applied = None, set()

    def _load(self) -> None:
        # What commits while this loads is not older than the snapshot and is read again at the next search.
        self._read_xid, applied = _changes(2**62)
        engine = Engine()
        for number, key, operator, value in Condition.objects.values_list("pk", "key", "operator", "value").iterator():
            engine.conditions.add(number, _predicate(key, operator, value))
        rows = _entries().values_list(*_FIELDS, "keys", "marks")
        batch: list[Listing] = []
        for row in rows.iterator(chunk_size=BATCH):
            batch.append(_listing(row[:-2], row[-2], row[-1]))
            if len(batch) == BATCH:
                _put(engine, batch)
                batch = []
        _put(engine, batch)
        if space():
            engine.signs = Signs(settings.KEIKEN.embedding_dimensions)
            _put_signs(engine)
        self._engine, self._applied = engine, set(applied)

    def _catch_up(self, engine: Engine) -> None:
        oldest, changes = _changes(self._read_xid)
        fresh = {number for change, number in changes.items() if change not in self._applied}
        if fresh:
            self._read_again(engine, fresh)
        self._read_xid, self._applied = oldest, set(changes)

    def _read_again(self, engine: Engine, numbers: set[int]) -> None:
        rows = {row[0]: row for row in _entries().filter(pk__in=numbers).values_list(*_FIELDS)}
        engine.remove(numbers - set(rows))
        texts = [number for number, row in rows.items() if engine.version_of(number) != row[1]]
        written: dict[int, tuple[Buffer, Buffer]] = {
            number: (keys, marks)
            for number, keys, marks in SearchEntry.objects.filter(pk__in=texts).values_list("pk", "keys", "marks")
        }
        _put(engine, [_listing(row, *written.get(number, NO_TEXT)) for number, row in sorted(rows.items())])
        if engine.signs is not None:
            # A new version has a new place, which knows no signs yet.
            engine.set_signs(list(rows), _signs(_embeddings().filter(pk__in=rows)))


def _changes(since: int) -> tuple[int, dict[int, int]]:
    """The oldest open transaction, and the experiences by change of all transactions from ``since`` on."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, [since])
        rows = cursor.fetchall()
    return rows[0][0], {change: number for _xid, change, number in rows if change is not None}


def _entries() -> Any:
    shown = SearchEntry.objects.filter(version__isnull=False, version__yanked_at__isnull=True)
    # What moderation has hidden is found by nobody, its publisher included: they have other pages for it.
    return shown.filter(experience__hidden_at__isnull=True).order_by("pk")


def _put(engine: Engine, listings: list[Listing]) -> None:
    if not listings:
        return
    missing = engine.conditions.missing(number for item in listings for number in item.conditions)
    if missing:
        found = Condition.objects.filter(pk__in=missing).values_list("pk", "key", "operator", "value")
        for number, key, operator, value in found.order_by("pk"):
            engine.conditions.add(number, _predicate(key, operator, value))
    engine.put(listings)


def _embeddings() -> Any:
    return Embedding.objects.filter(space=space()).exclude(signs=b"").values_list("pk", "signs")


def _signs(rows: Iterable[tuple[int, Buffer]]) -> dict[int, NDArray[np.uint64]]:
    return {number: np.frombuffer(signs, dtype="<u8") for number, signs in rows}


def _put_signs(engine: Engine) -> None:
    rows = _embeddings().iterator(chunk_size=BATCH)
    while batch := _signs(islice(rows, BATCH)):
        engine.set_signs(list(batch), batch)


def _predicate(key: str, operator: Any, value: Any) -> Predicate:
    return Predicate(key, operator, tuple(value) if isinstance(value, list) else value)


def _listing(row: tuple[Any, ...], keys: Buffer, marks: Buffer) -> Listing:
    found = dict(zip(_FIELDS, row, strict=True))
    proven_at = found["version__proven_at"]
    return Listing(
        experience_id=found["experience_id"],
        version_id=found["version_id"],
        organization_id=found["experience__organization_id"],
        is_public=found["experience__visibility"] == "public",
        conditions=found["version__condition_ids"],
        topics=found["experience__topics"],
        klass=Class(
            environment=_interned(found["environments"]),
            action=_interned(found["actions"]),
            license=_interned(found["license_kinds"]),
            price=_interned([found["price"]] if found["price"] else []),
            language=_interned([found["language"]]),
        ),
        standing=_STANDINGS.get(found["version__standing"], NEUTRAL),
        proven_at=int(proven_at.timestamp()) if proven_at else 0,
        quality=found["experience__quality"],
        replays=found["experience__replay_count"],
        published_at=int(found["version__published_at"].timestamp()),
        keys=np.frombuffer(keys, dtype="<u8"),
        marks=np.frombuffer(marks, dtype=np.uint8),
    )


def _interned(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(values))


SHELF = Shelf()
"""The one of this process."""

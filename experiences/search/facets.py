"""Counting what a search found by what can be chosen further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiences.domain.terms import topic_key
from experiences.search.columns import CLASS_FACETS, VERIFIED_BUCKETS, Class, Columns
from experiences.search.postings import Index

FACETS: Final = ("topic", *CLASS_FACETS, "verified", "publisher")
VALUES_SHOWN: Final = 20
BUCKET_STEP: Final = 8
FEW: Final = 20_000
"""So many hits are counted topic by topic; of more, a sample says which topics to count exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of one facet any value will do, but every topic must be there; the facets must all be met."""

    topics: tuple[str, ...] = ()
    publishers: tuple[int, ...] = ()
    verified: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the facets of ``CLASS_FACETS``."""

    @property
    def has_classes(self) -> bool:
        return bool(self.verified or any(self.classes.values()))


@dataclass(frozen=True, slots=True)
class Passing:
    """Which codes (class times 8 plus age of proof) a facet's filter lets through."""

    by_facet: dict[str, NDArray[np.bool_]]
    all: NDArray[np.bool_]

    @property
    def lets_all(self) -> bool:
        return not self.by_facet

    def but(self, facet: str) -> NDArray[np.bool_]:
        """What all other facets let through."""
        left = np.ones(len(self.all), dtype=np.bool_)
        for name, lets in self.by_facet.items():
            if name != facet:
                left &= lets
        return left


class ClassValues:
    """For each facet told from the class: its values, and which class has which, as two arrays of equal length."""

    def __init__(self, classes: Sequence[Class]) -> None:
        self.count = len(classes)
        self._names: dict[str, list[str]] = {}
        self._pairs: dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}
        for facet in CLASS_FACETS:
            numbers: dict[str, int] = {}
            pairs = [
                (number, numbers.setdefault(value, len(numbers)))
                for number, item in enumerate(classes)
                for value in getattr(item, facet)
            ]
            table = np.array(pairs, dtype=np.intp).reshape(-1, 2)
            self._names[facet] = list(numbers)
            self._pairs[facet] = (table[:, 0].copy(), table[:, 1].copy())

    def having(self, facet: str, wanted: Sequence[str]) -> NDArray[np.bool_]:
        """The classes that have one of the values."""
        classes, values = self._pairs[facet]
        numbers = [number for number, name in enumerate(self._names[facet]) if name in wanted]
        has = np.zeros(self.count, dtype=np.bool_)
        has[classes[np.isin(values, numbers)]] = True
        return has

    def counts(self, facet: str, by_class: NDArray[Any]) -> list[tuple[str, int]]:
        classes, values = self._pairs[facet]
        names = self._names[facet]
        tally = np.bincount(values, weights=by_class[classes], minlength=len(names)).astype(np.int64)
        found = [(name, int(count)) for name, count in zip(names, tally, strict=True) if count]
        return sorted(found, key=lambda item: (-item[1], item[0]))[:VALUES_SHOWN]


def passing(classes: ClassValues, filters: Filters) -> Passing:
    by_facet: dict[str, NDArray[np.bool_]] = {}
    for name, wanted in filters.classes.items():
        if wanted:
            by_facet[name] = np.repeat(classes.having(name, wanted), BUCKET_STEP)
    if filters.verified:
        buckets = {bucket for name in filters.verified for bucket in VERIFIED_BUCKETS[name]}
        by_facet["verified"] = np.tile(np.isin(np.arange(BUCKET_STEP), list(buckets)), classes.count)
    every = np.ones(classes.count * BUCKET_STEP, dtype=np.bool_)
    for lets in by_facet.values():
        every &= lets
    return Passing(by_facet, every)


def class_counts(classes: ClassValues, lets: Passing, codes: NDArray[np.int32]) -> dict[str, list[tuple[Any, int]]]:
    """Counts of the facets that are told from a listing's class and the age of its proof, the most frequent first."""
    counts = np.bincount(codes, minlength=classes.count * BUCKET_STEP)
    found: dict[str, list[tuple[Any, int]]] = {}
    for name in CLASS_FACETS:
        kept = np.where(lets.but(name), counts, 0).reshape(-1, BUCKET_STEP).sum(axis=1)
        found[name] = classes.counts(name, kept)
    ages = np.where(lets.but("verified"), counts, 0).reshape(-1, BUCKET_STEP).sum(axis=0)
    verified = [(name, int(sum(ages[bucket] for bucket in buckets))) for name, buckets in VERIFIED_BUCKETS.items()]
    found["verified"] = [(name, count) for name, count in verified if count]
    return found


def value_counts(numbers: NDArray[Any], values: Sequence[Any]) -> list[tuple[Any, int]]:
    counts = np.bincount(numbers, minlength=len(values))
    # The least count that is shown; of equal counts the values decide, so that every process says the same.
    least = max(1, int(np.partition(counts, -VALUES_SHOWN)[-VALUES_SHOWN])) if len(counts) > VALUES_SHOWN else 1
    found = [(values[int(number)], int(counts[number])) for number in np.flatnonzero(counts >= least)]
    return sorted(found, key=lambda item: (-item[1], item[0]))[:VALUES_SHOWN]


def topic_counts(columns: Columns, index: Index, found: NDArray[Any]) -> list[tuple[str, int]]:
    names = columns.topics.values
    if len(found) <= FEW:
        return value_counts(columns.topics_of(found), names)
    sample = np.bincount(columns.topics_of(found[:: len(found) // FEW]), minlength=len(names))
    likely = np.argsort(-sample, kind="stable")[: VALUES_SHOWN * 2]
    hits = np.zeros(len(columns), dtype=np.bool_)
    hits[found] = True
    counts = {
        names[number]: sum(int(np.count_nonzero(hits[at])) for at, _marks in index.find(topic_key(names[number])))
        for number in likely
        if sample[number]
    }
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:VALUES_SHOWN]

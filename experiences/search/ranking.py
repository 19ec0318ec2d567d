"""Words to scores, and the best of many by a key."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiences.domain.terms import LEVELS
from experiences.search.postings import Index

Numbers = Callable[[NDArray[np.intp]], NDArray[np.int64]]
"""What ties are broken by, for some places only: looking it up for all would take as long as finding the best."""
IMPACT = (np.arange(256, dtype=np.uint8) >> 4).astype(np.float32) / LEVELS
"""How much a term counts by its mark."""
FEW_HITS = 8
"""With fewer listings than this that have all words, those that have most of them are shown, too."""
ENOUGH = 0.5
"""So much of the words' information a listing must have that lacks one of them."""
SAMPLE = 4096
FUSED = 200
"""So many of the best by words are merged with what is close in meaning; the others follow."""
RANK_OFFSET = 60
"""Cormack, Clarke and Büttcher, 2009: the first places of a list are not worth much more than the next ones."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A term that a word of a query may stand for. ``factor`` is 1 for the word itself, less for what was guessed."""

    key: int
    term: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Sought:
    """One word of a query with all it may stand for."""

    word: str
    is_required: bool
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """``places``, rising, with the ``score`` of each; not ``is_full`` where a required word is missing."""

    places: NDArray[np.intp]
    score: NDArray[np.float32]
    is_full: NDArray[np.bool_]

    def joined(self, others: Sequence[int]) -> Matches:
        """With these places, too; those that were not there have no score."""
        added = np.setdiff1d(np.array(others, dtype=np.intp), self.places)
        places = np.concatenate([self.places, added])
        score = np.concatenate([self.score, np.zeros(len(added), dtype=np.float32)])
        is_full = np.concatenate([self.is_full, np.ones(len(added), dtype=np.bool_)])
        order = np.argsort(places, kind="stable")
        return Matches(places[order], score[order], is_full[order])

    def only(self, chosen: NDArray[np.bool_]) -> Matches:
        return Matches(self.places[chosen], self.score[chosen], self.is_full[chosen])


def matches_of(index: Index, sought: Sequence[Sought], base: NDArray[np.bool_]) -> Matches:
    """What of ``base`` has every required word; where that is little, also what has most of them."""
    required = [item for item in sought if item.is_required] or list(sought)
    informations = {item.word: information(index, item, len(base)) for item in sought}
    full = _full(index, sought, required, informations, base)
    if len(full.places) >= FEW_HITS or len(required) == 1:
        return full
    score = np.zeros(len(base), dtype=np.float32)
    for item in sought:
        for at, impact in _impacts(index, item, len(base)):
            score[at] += impact * np.float32(informations[item.word])
    hits = base & _mostly(index, required, informations, len(base))
    hits[full.places] = True
    places = np.flatnonzero(hits)
    return Matches(places, score[places], np.isin(places, full.places))


def _full(
    index: Index,
    sought: Sequence[Sought],
    required: Sequence[Sought],
    informations: dict[str, float],
    base: NDArray[np.bool_],
) -> Matches:
    """Beginning with the rarest word, so that what is held against the others is as little as can be."""
    order = sorted(required, key=lambda item: -informations[item.word])
    found = _impacts(index, order[0], len(base))
    places = np.concatenate([np.empty(0, dtype=np.intp), *(at for at, _impact in found)])
    impact = np.concatenate([np.empty(0, dtype=np.float32), *(impact for _at, impact in found)])
    seen = base[places]
    places, score = places[seen], impact[seen] * np.float32(informations[order[0].word])
    for item in [*order[1:], *(item for item in sought if item not in required)]:
        impact = _impact_at(index, item, places)
        if item in required:
            has = impact > 0
            places, score, impact = places[has], score[has], impact[has]
        score = score + impact * np.float32(informations[item.word])
    return Matches(places, score.astype(np.float32), np.ones(len(places), dtype=np.bool_))


def _impact_at(index: Index, item: Sought, places: NDArray[np.intp]) -> NDArray[np.float32]:
    impact = np.zeros(len(places), dtype=np.float32)
    for alternative in item.alternatives:
        marks = index.marks_at(alternative.key, places)
        impact = np.maximum(impact, IMPACT[marks] * np.float32(alternative.factor))
    return impact


def information(index: Index, item: Sought, places: int) -> float:
    """What it tells that a listing has the word: the rarer the more (the idf of BM25)."""
    frequency = min(places, sum(index.frequency(alternative.key) for alternative in item.alternatives))
    return math.log(1 + (places - frequency + 0.5) / (frequency + 0.5))


def _impacts(index: Index, item: Sought, places: int) -> list[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Where the word is and how much it counts there, each place once."""
    if len(item.alternatives) == 1:
        only = item.alternatives[0]
        return [(at, (IMPACT[marks] * only.factor).astype(np.float32)) for at, marks in index.find(only.key)]
    best = np.zeros(places, dtype=np.float32)
    for alternative in item.alternatives:
        for at, marks in index.find(alternative.key):
            best[at] = np.maximum(best[at], IMPACT[marks] * np.float32(alternative.factor))
    found = np.flatnonzero(best)
    return [(found, best[found])]


def _mostly(index: Index, required: Sequence[Sought], informations: dict[str, float], places: int) -> NDArray[np.bool_]:
    """A word that no listing has says nothing about any of them."""
    known = [item for item in required if any(index.frequency(other.key) for other in item.alternatives)]
    total = sum(informations[item.word] for item in known)
    share = np.zeros(places, dtype=np.float32)
    for item in known:
        for at, _impact in _impacts(index, item, places):
            share[at] += np.float32(informations[item.word] / total)
    return share >= ENOUGH


def best(keys: NDArray[np.int64], numbers: Numbers, count: int) -> NDArray[np.intp]:
    """Where the ``count`` largest keys stand, the largest first; of equal keys the larger number first.

    A sample tells what is surely too small, so that only a few are sorted. The same for the same data whatever
    ``count`` is: pages neither overlap nor leave gaps.
    """
    candidates = None
    if len(keys) > max(SAMPLE * 4, count * 8):
        sample = np.sort(keys[:: len(keys) // SAMPLE])
        # Four times as many as wanted are let through, so that the sample's luck hardly ever matters.
        place = max(0, len(sample) - 16 - math.ceil(4 * count * len(sample) / len(keys)))
        above = np.flatnonzero(keys >= sample[place])
        if len(above) >= count:
            candidates = above
    if candidates is None:
        candidates = np.arange(len(keys))
    if len(candidates) > count * 8 + SAMPLE:
        least = np.partition(keys[candidates], len(candidates) - count)[len(candidates) - count]
        above, equal = candidates[keys[candidates] > least], candidates[keys[candidates] == least]
        lacking = count - len(above)
        if len(equal) > lacking:
            equal = equal[np.argpartition(numbers(equal), len(equal) - lacking)[len(equal) - lacking :]]
        candidates = np.concatenate([above, equal])
    order = np.lexsort((numbers(candidates), keys[candidates]))[::-1]
    return candidates[order[:count]]


def fused(by_words: Sequence[int], by_meaning: Sequence[int]) -> list[int]:
    """Both lists as one by reciprocal rank fusion; of equals, what was found by words first."""
    worth: dict[int, float] = {}
    for ranked in (by_words, by_meaning):
        for rank, item in enumerate(ranked, 1):
            worth[item] = worth.get(item, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(worth, key=lambda item: -worth[item])

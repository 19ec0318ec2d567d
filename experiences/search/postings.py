"""Which listings have a term: segments of sorted arrays, merged as they become many.

A segment covers a stretch of places. New listings make a small segment of their own; two of about the same size are
merged, so that there are never more than some twenty and each listing is merged that often at most (log-structured
merging, O'Neil and others, 1996).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPREAD_AT = 16
MERGED_AT = 3
"""A segment is merged into the one before it when it has at least this part (one third) of its postings."""


@dataclass(frozen=True, slots=True)
class Segment:
    """``places[starts[i]:starts[i + 1]]``, rising, have the term ``keys[i]``, each with its mark."""

    keys: NDArray[np.uint64]
    starts: NDArray[np.int64]
    places: NDArray[np.int32]
    marks: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.starts.nbytes + self.places.nbytes + self.marks.nbytes

    def find(self, key: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]] | None:
        number = int(np.searchsorted(self.keys, np.uint64(key)))
        if number == len(self.keys) or int(self.keys[number]) != key:
            return None
        part = slice(int(self.starts[number]), int(self.starts[number + 1]))
        return self.places[part], self.marks[part]


def segment_of(keys: NDArray[np.uint64], places: NDArray[np.int32], marks: NDArray[np.uint8]) -> Segment:
    """From loose postings, those of one place after those of smaller ones."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.ones(len(ordered), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = np.append(np.flatnonzero(is_first), len(ordered)).astype(np.int64)
    return Segment(ordered[starts[:-1]], starts, places[order], marks[order])


class Index:
    """All segments, oldest first."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []

    @property
    def nbytes(self) -> int:
        return sum(segment.nbytes for segment in self._segments)

    def add(self, segment: Segment) -> None:
        self._segments.append(segment)
        while len(self._segments) > 1 and len(self._segments[-1].places) * MERGED_AT >= len(self._segments[-2].places):
            last, before = self._segments.pop(), self._segments.pop()
            self._segments.append(_merged(before, last))

    def find(self, key: int) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint8]]]:
        for segment in self._segments:
            if (found := segment.find(key)) is not None:
                yield found

    def frequency(self, key: int) -> int:
        return sum(len(places) for places, _marks in self.find(key))

    def marks_at(self, key: int, wanted: Sequence[int] | NDArray[Any]) -> NDArray[np.uint8]:
        """The mark of the term in each of these places, which rise; 0 where it is not."""
        asked = np.asarray(wanted, dtype=np.int32)
        marks = np.zeros(len(asked), dtype=np.uint8)
        for places, known in self.find(key):
            if len(asked) * SPREAD_AT > len(places):
                # For many it is quicker to write the marks where they belong and to look there.
                first = int(places[0])
                spread = np.zeros(int(places[-1]) - first + 2, dtype=np.uint8)
                spread[places - first] = known
                at = np.where((asked >= first) & (asked <= int(places[-1])), asked - first, len(spread) - 1)
                marks = np.maximum(marks, spread[at])
                continue
            at = np.minimum(np.searchsorted(places, asked), len(places) - 1)
            is_there = places[at] == asked
            marks[is_there] = known[at[is_there]]
        return marks


def _merged(first: Segment, second: Segment) -> Segment:
    keys = np.concatenate([np.repeat(part.keys, np.diff(part.starts)) for part in (first, second)])
    return segment_of(
        keys,
        np.concatenate([first.places, second.places]),
        np.concatenate([first.marks, second.marks]),
    )

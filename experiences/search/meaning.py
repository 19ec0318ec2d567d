"""Which listings mean about what a query means: a rough distance in memory, the exact one for the nearest.

Every process keeps one bit for each number of a vector, its sign; two directions differ in as many signs as their angle
is wide (Charikar, 2002). The nearest by signs are then held against the whole vectors, which stay in the database.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiences.search.growing import Growing

CANDIDATES = 400
"""So many of the nearest by signs are looked at exactly."""
NEAREST = 100
"""So many are taken for close in meaning at most."""
FEW = 4
"""Where less than one in so many listings comes into question, only these are read."""
BLOCK = 32_768


class Signs:
    """By place, the signs of its vector as columns of uint64; places are those of ``Columns``."""

    def __init__(self, dimensions: int) -> None:
        self._columns = [Growing(np.uint64) for _ in range(-(-dimensions // 64))]
        self._known = Growing(np.bool_)

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self._columns) + self._known.nbytes

    def put(self, places: NDArray[np.int64], signs: NDArray[np.uint64]) -> None:
        """``signs`` has one row for each place."""
        lacking = int(places.max(initial=-1)) + 1 - len(self._known)
        if lacking > 0:
            for column in (*self._columns, self._known):
                column.extend(np.zeros(lacking))
        for number, column in enumerate(self._columns):
            column.view[places] = signs[:, number]
        self._known.view[places] = True

    def forget(self, places: NDArray[np.int64]) -> None:
        known = self._known.view
        known[places[places < len(known)]] = False

    def nearest(self, signs: NDArray[np.uint64], base: NDArray[np.bool_], count: int = CANDIDATES) -> NDArray[np.intp]:
        """The places of ``base`` whose signs differ least from these."""
        places = np.flatnonzero(base[: len(self._known)] & self._known.view[: len(base)])
        if len(places) <= count:
            return places
        away = self._away(signs, places)
        limit = np.partition(away, count - 1)[count - 1]
        closer = np.flatnonzero(away < limit)
        equal = np.flatnonzero(away == limit)[: count - len(closer)]
        found: NDArray[np.intp] = places[np.concatenate([closer, equal])]
        return found

    def _away(self, signs: NDArray[np.uint64], places: NDArray[np.intp]) -> NDArray[np.uint16]:
        """How many signs of each place differ."""
        if len(places) * FEW < len(self._known):
            away = np.zeros(len(places), dtype=np.uint16)
            for column, sign in zip(self._columns, signs, strict=True):
                away += np.bitwise_count(column.view[places] ^ sign)
            return away
        away = np.zeros(len(self._known), dtype=np.uint16)
        # By blocks, so that what is between stays in the processor's cache.
        for start in range(0, len(away), BLOCK):
            part = away[start : start + BLOCK]
            for column, sign in zip(self._columns, signs, strict=True):
                part += np.bitwise_count(column.view[start : start + BLOCK] ^ sign)
        return away[places]


def close(vector: NDArray[Any], numbers: NDArray[np.int64], vectors: NDArray[Any], least: float) -> list[int]:
    """The experiences whose vectors have at least this cosine, the nearest first, at most ``NEAREST``."""
    similarity = vectors.astype(np.float32) @ vector.astype(np.float32)
    order = np.lexsort((numbers, -similarity))
    return [int(numbers[place]) for place in order if similarity[place] >= least][:NEAREST]

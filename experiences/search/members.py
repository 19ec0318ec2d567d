"""Which conditions each set has, laid out so that counting those that are not met is a few passes over plain columns.

The first ``WIDTH`` conditions of a set stand in columns, one below the other for all sets; hardly any set has more, and
what has is counted by itself. That takes a third of the time of one long array that is summed piece by piece.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiences.search.growing import Growing

WIDTH = 8
UNMET_MAX = 255
_FIRST = 64


class Members:
    """For each set the places of its conditions."""

    def __init__(self) -> None:
        self._columns = np.zeros((WIDTH, _FIRST), dtype=np.int32)
        """One more than the place; 0 where a set has no more."""
        self._count = self._used = 0
        self._long = Growing(np.int32)
        """The sets with more than ``WIDTH``, and where the rest of each begins in the array of them all."""
        self._long_starts = Growing(np.int64)
        self._long_members = Growing(np.int32)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        rest = self._long.nbytes + self._long_starts.nbytes + self._long_members.nbytes
        return WIDTH * self._columns.itemsize * self._count + rest

    def append(self, places: tuple[int, ...]) -> None:
        self.extend(np.zeros(1, dtype=np.int64), np.array(places, dtype=np.int32))

    def extend(self, starts: NDArray[np.int64], members: NDArray[np.int32]) -> None:
        """Many sets at once: all their places in one array, and where each set begins in it."""
        lengths = np.diff(np.append(starts, len(members)))
        first, self._count = self._count, self._count + len(starts)
        self._reserve(self._count)
        for number in range(min(WIDTH, int(lengths.max(initial=0)))):
            having = np.flatnonzero(lengths > number)
            self._columns[number, first + having] = members[starts[having] + number] + 1
            self._used = max(self._used, number + 1)
        for long in np.flatnonzero(lengths > WIDTH):
            self._long.append(first + long)
            self._long_starts.append(len(self._long_members))
            self._long_members.extend(members[starts[long] + WIDTH : starts[long] + lengths[long]] + 1)

    def count(self, is_unmet: NDArray[np.uint8], first: int) -> NDArray[np.uint8]:
        """How many of the conditions of each set from ``first`` on are 1 in ``is_unmet``; 255 stands for more, too."""
        values = np.concatenate([np.zeros(1, dtype=np.uint8), is_unmet])
        counts = np.zeros(self._count - first, dtype=np.uint8)
        for column in self._columns[: self._used, first : self._count]:
            # Places are always there: "clip" only spares NumPy looking.
            counts += np.take(values, column, mode="clip")
        if len(self._long):
            rests = np.add.reduceat(values[self._long_members.view], self._long_starts.view, dtype=np.int64)
            is_asked = self._long.view >= first
            numbers = self._long.view[is_asked] - first
            counts[numbers] = np.minimum(counts[numbers] + rests[is_asked], UNMET_MAX)
        return counts

    def _reserve(self, count: int) -> None:
        if count > self._columns.shape[1]:
            grown = np.zeros((WIDTH, max(count, self._columns.shape[1] * 5 // 4)), dtype=self._columns.dtype)
            grown[:, : self._columns.shape[1]] = self._columns
            self._columns = grown

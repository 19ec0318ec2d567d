"""An array that can be added to without being copied each time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

_FIRST = 64


class Growing:
    """One column. ``view`` is what it holds now; writing into it changes the column."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._array = np.zeros(_FIRST, dtype=dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        return self._array.itemsize * self._length

    @property
    def view(self) -> NDArray[Any]:
        return self._array[: self._length]

    def append(self, value: Any) -> None:
        self._reserve(self._length + 1)
        self._array[self._length] = value
        self._length += 1

    def extend(self, values: ArrayLike) -> None:
        added = np.asarray(values)
        self._reserve(self._length + len(added))
        self._array[self._length : self._length + len(added)] = added
        self._length += len(added)

    def _reserve(self, length: int) -> None:
        if length > len(self._array):
            # A quarter more: doubling would leave half of a large index empty.
            grown = np.zeros(max(length, len(self._array) * 5 // 4), dtype=self._array.dtype)
            grown[: self._length] = self._array[: self._length]
            self._array = grown

"""Ranges of versions of one fact, answered all at once for a plain version.

Between the bounds of all ranges a version has one place, found by halving; whether a range holds is then two
comparisons of whole numbers. This is only done where it is the same as what ``keiken.conditions`` says: for versions
without pre- and post-releases, where PEP 440's ``<`` and ``>`` are plain comparisons, and for ranges of ``>=``, ``>``,
``<=`` and ``<``. Everything else is evaluated one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packaging.version import Version

from keiken.conditions import Condition
from keiken.conditions.versions import clauses, normal_version
from keiken.conditions.vocabulary import kind

_SIMPLE = frozenset({">=", ">", "<=", "<"})


class Ranges:
    """``places`` say which of the conditions given are answered here."""

    def __init__(self, key: str, conditions: Sequence[Condition]) -> None:
        self.places = np.empty(0, dtype=np.intp)
        if kind(key) not in (None, "version"):
            return
        found = [(place, limits) for place, item in enumerate(conditions) if (limits := _limits(item)) is not None]
        self._bounds = sorted({version for _place, limits in found for _operator, version in limits})
        at = {version: 2 * number + 1 for number, version in enumerate(self._bounds)}
        low, high = [], []
        for _place, limits in found:
            low.append(max((at[v] + (operator == ">") for operator, v in limits if operator[0] == ">"), default=0))
            high.append(
                min((at[v] - (operator == "<") for operator, v in limits if operator[0] == "<"), default=2**31 - 1)
            )
        self.places = np.array([place for place, _limits in found], dtype=np.intp)
        self._low, self._high = np.array(low, dtype=np.int32), np.array(high, dtype=np.int32)

    def holding(self, fact: Any) -> NDArray[np.bool_] | None:
        """Which of the conditions at ``places`` hold; None where they must be asked one by one."""
        if not len(self.places) or not isinstance(fact, str):
            return None
        version = normal_version(fact)
        if version is None:
            return np.zeros(len(self.places), dtype=np.bool_)
        if version.is_prerelease or version.is_postrelease:
            return None
        place = bisect_left(self._bounds, version)
        is_bound = place < len(self._bounds) and self._bounds[place] == version
        coordinate = 2 * place + is_bound
        holding: NDArray[np.bool_] = (self._low <= coordinate) & (coordinate <= self._high)
        return holding


def _limits(condition: Condition) -> list[tuple[str, Version]] | None:
    if condition.operator != "range":
        return None
    try:
        found = [(operator, normal_version(text)) for operator, text in clauses(condition.value)]
    except ValueError:
        return None
    limits = [(operator, version) for operator, version in found if operator in _SIMPLE and version is not None]
    return limits if len(limits) == len(found) else None

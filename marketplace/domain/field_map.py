"""Where replays held and where they did not: reports counted by the facts of the machines they come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keiken.conditions.vocabulary import kind

VALUES_SHOWN: Final = 8
FURTHER_KEYS: Final = 6
"""Of facts that are no conditions yet: those in which good and bad replays differ most."""
SEPARATION_MIN: Final = 0.1
"""Less is what chance alone often makes of a few dozen reports."""
VALUE_CHARACTERS: Final = 60
ABSENT: Final = "–"


@dataclass(frozen=True)
class Cell:
    """How replays went on machines with one value of a fact."""

    value: str
    succeeded: int
    troubled: int

    @property
    def count(self) -> int:
        return self.succeeded + self.troubled


@dataclass(frozen=True)
class FactMap:
    key: str
    is_condition: bool
    cells: tuple[Cell, ...]
    """Most frequent first; what is seldom is counted together under an empty value."""
    separation: float
    """0: trouble has nothing to do with this fact; 1: it alone tells good from bad."""

    @property
    def count(self) -> int:
        """Reports that have the fact."""
        return sum(cell.count for cell in self.cells)


def field_map(reports: Iterable[tuple[bool, Mapping[str, Any]]], conditions: Collection[str]) -> list[FactMap]:
    """``reports`` are (succeeded, facts). First the conditions, then the facts that separate good from bad most."""
    seen: dict[str, Counter[tuple[str, bool]]] = {}
    total = 0
    for succeeded, facts in reports:
        total += 1
        for key, value in facts.items():
            if key in conditions or kind(key) is not None:
                seen.setdefault(key, Counter())[_shown(key, value), succeeded] += 1
    maps = [_map(key, counts, key in conditions) for key, counts in seen.items()]
    own = sorted((item for item in maps if item.is_condition), key=lambda item: item.key)
    # A fact that few reports have, or that is the same everywhere, says nothing.
    telling = [
        item for item in maps if not item.is_condition and item.separation >= SEPARATION_MIN and 2 * item.count >= total
    ]
    return own + sorted(telling, key=lambda item: (-item.separation, item.key))[:FURTHER_KEYS]


def _map(key: str, counts: Counter[tuple[str, bool]], is_condition: bool) -> FactMap:
    values = Counter[str]()
    for (value, _succeeded), count in counts.items():
        values[value] += count
    frequent = sorted(values, key=lambda value: (-values[value], value))[:VALUES_SHOWN]
    cells = [Cell(value, counts[value, True], counts[value, False]) for value in frequent]
    if len(values) > len(frequent):
        rest = [value for value in values if value not in set(frequent)]
        cells.append(Cell("", sum(counts[value, True] for value in rest), sum(counts[value, False] for value in rest)))
    return FactMap(key, is_condition, tuple(cells), _separation(cells))


def _separation(cells: list[Cell]) -> float:
    """The part of the Gini impurity that knowing the value takes away, as decision trees choose their splits."""
    count = sum(cell.count for cell in cells)
    overall = _impurity(sum(cell.succeeded for cell in cells), count)
    if overall == 0:
        return 0.0
    within = sum(cell.count / count * _impurity(cell.succeeded, cell.count) for cell in cells)
    return round(1 - within / overall, 4)


def _impurity(succeeded: int, count: int) -> float:
    share = succeeded / count
    return 2 * share * (1 - share)


def _shown(key: str, value: Any) -> str:
    """Coarse enough that machines of one kind meet: versions to two places, numbers by powers of two."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_shown(key, item) for item in value)[:VALUE_CHARACTERS]
    if isinstance(value, int | float):
        return _range(value)
    text = str(value)
    if kind(key) == "version":
        text = ".".join(text.split(".")[:2])
    return text[:VALUE_CHARACTERS] or '""'


def _range(number: float) -> str:
    if number < 2:
        return str(number)[:VALUE_CHARACTERS]
    low = 2 ** int(math.log2(number)) if math.isfinite(number) else number
    return f"{low}–{low * 2}"

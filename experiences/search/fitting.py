"""Facts against distinct conditions, then against distinct sets of conditions; versions only look up their set.

A million versions with four conditions each declare some ten thousand distinct conditions: what is evaluated in
Python is those of them whose fact has a value not seen before, the rest is array arithmetic.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiences.search.members import Members
from experiences.search.ranges import Ranges
from keiken.conditions import Condition

FAILS, UNKNOWN, HOLDS = 0, 1, 2
_STATUS = {"fails": FAILS, "unknown": UNKNOWN, "holds": HOLDS}
FACT_VALUES_KEPT = 2_000
"""So many (fact, value) pairs keep their answers; machines share most of their facts."""
MACHINES_KEPT = 16
MANY = 4
"""With fewer conditions of a fact than this, asking each is as quick as asking all at once."""
_RECENT_SETS = 4096


class Conditions:
    """The distinct conditions and what facts say about them."""

    def __init__(self) -> None:
        self._ids: dict[int, int] = {}
        """From the database's number to the place here."""
        self._count = 0
        self._by_key: dict[str, tuple[list[int], list[Condition]]] = {}
        self._ranges: dict[str, tuple[int, Ranges]] = {}
        self._answers: OrderedDict[tuple[str, str], NDArray[np.uint8]] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def add(self, number: int, condition: Condition) -> None:
        if number in self._ids:
            return
        self._ids[number] = self._count
        places, conditions = self._by_key.setdefault(condition.key, ([], []))
        places.append(self._count)
        conditions.append(condition)
        self._count += 1

    def missing(self, numbers: Iterable[int]) -> set[int]:
        return {number for number in numbers if number not in self._ids}

    def places(self, numbers: Sequence[int]) -> tuple[int, ...]:
        return tuple(sorted(self._ids[number] for number in set(numbers)))

    def statuses(self, facts: Mapping[str, Any]) -> NDArray[np.uint8]:
        """One of FAILS, UNKNOWN, HOLDS for each condition, by its place."""
        found = np.full(self._count, UNKNOWN, dtype=np.uint8)
        for key in facts:
            if key in self._by_key:
                places, conditions = self._by_key[key]
                found[places] = self._answered(key, facts, conditions)
        return found

    def _ranged(self, key: str, facts: Mapping[str, Any], conditions: list[Condition]) -> NDArray[np.uint8]:
        """All answers at once as far as they are ranges of versions, the others one by one."""
        count, ranges = self._ranges.get(key, (-1, None))
        if ranges is None or count != len(conditions):
            ranges = Ranges(key, conditions)
            self._ranges[key] = (len(conditions), ranges)
        holding = ranges.holding(facts[key])
        if holding is None:
            return np.empty(0, dtype=np.uint8)
        answers = np.full(len(conditions), UNKNOWN, dtype=np.uint8)
        answers[ranges.places] = np.where(holding, np.uint8(HOLDS), np.uint8(FAILS))
        for place in np.flatnonzero(answers == UNKNOWN):
            answers[place] = _STATUS[conditions[place].evaluate(facts)]
        return answers

    def _answered(self, key: str, facts: Mapping[str, Any], conditions: list[Condition]) -> NDArray[np.uint8]:
        """From the kept answers as far as they go: conditions are only ever added."""
        name = (key, _canonical(facts[key]))
        known = self._answers.pop(name, None)
        if known is None and len(conditions) >= MANY:
            known = self._ranged(key, facts, conditions)
        elif known is None:
            known = np.empty(0, dtype=np.uint8)
        if len(known) < len(conditions):
            fresh = [_STATUS[item.evaluate(facts)] for item in conditions[len(known) :]]
            known = np.concatenate([known, np.array(fresh, dtype=np.uint8)])
        self._answers[name] = known
        while len(self._answers) > FACT_VALUES_KEPT:
            self._answers.popitem(last=False)
        return known


class _Numbers:
    """From the hash of a set to its number, in 12 bytes a set: sorted arrays, and a small dictionary of new ones."""

    def __init__(self) -> None:
        self._hashes = np.empty(0, dtype=np.int64)
        self._numbers = np.empty(0, dtype=np.int32)
        self._recent: dict[int, int] = {}

    @property
    def nbytes(self) -> int:
        return self._hashes.nbytes + self._numbers.nbytes + sys.getsizeof(self._recent)

    def get(self, name: int) -> int | None:
        if (number := self._recent.get(name)) is not None:
            return number
        at = int(np.searchsorted(self._hashes, name))
        return int(self._numbers[at]) if at < len(self._hashes) and self._hashes[at] == name else None

    def add(self, name: int, number: int) -> None:
        self._recent[name] = number
        if len(self._recent) > max(_RECENT_SETS, len(self._hashes) // 8):
            hashes = np.concatenate([self._hashes, np.array(list(self._recent), dtype=np.int64)])
            numbers = np.concatenate([self._numbers, np.array(list(self._recent.values()), dtype=np.int32)])
            order = np.argsort(hashes)
            self._hashes, self._numbers, self._recent = hashes[order], numbers[order], {}


class ConditionSets:
    """The distinct sets of conditions."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self._numbers = _Numbers()
        self._members = Members()
        self._unmet: OrderedDict[bytes, tuple[int, NDArray[np.uint8]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def nbytes(self) -> int:
        return self._members.nbytes + self._numbers.nbytes

    def intern(self, places: tuple[int, ...]) -> int:
        """The number of this set of conditions; ``places`` are sorted."""
        name = _hash(np.array(places, dtype=np.int32).tobytes())
        number = self._numbers.get(name)
        if number is None:
            number = len(self._members)
            self._numbers.add(name, number)
            self._members.append(places)
        return number

    def extend(self, starts: NDArray[np.int64], members: NDArray[np.int32]) -> None:
        """Take over many sets that are known to be distinct from each other and from those here."""
        self._members.extend(starts, members)

    def unmet(self, facts: Mapping[str, Any]) -> NDArray[np.uint8]:
        """How many conditions of each set fail or are not known with these facts; 255 stands for more, too."""
        machine = hashlib.blake2b(_canonical(facts).encode("utf-8", "replace"), digest_size=16).digest()
        kept = self._unmet.pop(machine, None)
        known = kept[1] if kept is not None and kept[0] == len(self.conditions) else np.empty(0, dtype=np.uint8)
        if len(known) < len(self):
            is_unmet = (self.conditions.statuses(facts) != HOLDS).view(np.uint8)
            known = np.concatenate([known, self._members.count(is_unmet, len(known))])
        self._unmet[machine] = (len(self.conditions), known)
        while len(self._unmet) > MACHINES_KEPT:
            self._unmet.popitem(last=False)
        return known


def _canonical(value: Any) -> str:
    """The same text for the same facts only: true is not 1 here."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=repr)


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little", signed=True)

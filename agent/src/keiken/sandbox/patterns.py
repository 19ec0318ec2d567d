"""Globs over job paths: ``*`` and ``?`` stay within one name, ``**`` is any number of folders, ``[a-c]`` one character.

Not made into a regular expression: those take exponential time for a hostile pattern, this is bounded by the product
of the
two lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
Test = Callable[[str], bool]
_ANY_NUMBER = None
"""Stands for ``*`` among the tests of a name, and for ``**`` among the parts of a path."""


class Glob:
    """A pattern made ready; ``prefix`` is the part before the first special character."""

    def __init__(self, pattern: str) -> None:
        self._parts = [_ANY_NUMBER if part == "**" else _tests(part) for part in pattern.split("/")]
        self._needs_a_name = self._parts[-1] is _ANY_NUMBER
        self.prefix = pattern[: min((pattern.find(mark) for mark in "*?[" if mark in pattern), default=len(pattern))]

    def matches(self, path: str) -> bool:
        """Whether the whole path matches. A ``**`` at the end stands for at least one name."""
        names = path.split("/")
        parts: Sequence[Sequence[Test | None] | None] = self._parts
        if self._needs_a_name:
            parts = [*self._parts, [_ANY_NUMBER]]
        return _aligned(parts, names, lambda tests, name: _aligned(tests, name, lambda test, letter: test(letter)))


@lru_cache(maxsize=512)
def glob(pattern: str) -> Glob:
    return Glob(pattern)


def matches(pattern: str, path: str) -> bool:
    return glob(pattern).matches(path)


def _aligned(wanted: Sequence[T | None], found: Sequence[str], fits: Callable[[T, str], bool]) -> bool:
    """Match one to one, a None among the wanted standing for any number; going back only to the latest of them."""
    at = position = 0
    retry_at = retry_position = -1
    while position < len(found):
        if at < len(wanted) and wanted[at] is None:
            retry_at, retry_position = at, position
            at += 1
        elif at < len(wanted) and fits(wanted[at], found[position]):  # type: ignore[arg-type]  # None was dealt with
            at, position = at + 1, position + 1
        elif retry_at >= 0:
            retry_position += 1
            at, position = retry_at + 1, retry_position
        else:
            return False
    return all(rest is None for rest in wanted[at:])


def _tests(part: str) -> list[Test | None]:
    """One test for each character of a name; None for any number of characters."""
    tests: list[Test | None] = []
    position = 0
    while position < len(part):
        character = part[position]
        end = part.find("]", position + 2) if character == "[" else -1
        if end > 0:
            tests.append(_one_of(part[position + 1 : end]))
            position = end
        elif character == "*":
            tests.append(_ANY_NUMBER)
        elif character == "?":
            tests.append(lambda _letter: True)
        else:
            tests.append(character.__eq__)
        position += 1
    return tests


def _one_of(body: str) -> Test:
    """``a-c``, ``abc``, or with ``!`` in front anything else."""
    negated = body[0] in "!^" and len(body) > 1
    letters, ranges, position = set(), [], int(negated)
    while position < len(body):
        if body[position + 1 : position + 2] == "-" and position + 2 < len(body):
            ranges.append((body[position], body[position + 2]))
            position += 3
        else:
            letters.add(body[position])
            position += 1
    return lambda letter: (letter in letters or any(low <= letter <= high for low, high in ranges)) != negated

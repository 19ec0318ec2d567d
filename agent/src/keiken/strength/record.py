"""What grading leaves behind: every wrong effect that was tried, and whether a check noticed it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keiken.replay.report import Record
from keiken.strength.interval import wilson

METHOD = 1
"""Raised whenever other mutants are made or judged: figures of different methods are not compared."""
DEFAULT_THRESHOLD = 0.2
"""A lower bound below it is too weak to prove anything. The least evidence there is, one mutant caught of one, has
0.207, so nobody is condemned for being small; of twenty mutants, eight must be caught.
"""
STRONG = 0.75
"""A lower bound from here on is strong: 12 of 12, 25 of 27."""
ENOUGH = 12
"""So many of a sample that time cut short still tell something."""

Kind = Literal["omit", "corrupt", "undo"]
How = Literal["left_out", "emptied", "truncated", "byte_changed", "value_changed", "undone"]
Status = Literal["caught", "survived", "untried", "void"]
Grade = Literal["strong", "fair", "weak", "unknown"]


class MutantRecord(Record):
    """One wrong effect. ``void``: trouble of ours, or the mutated step was not reached; it counts for nothing."""

    kind: Kind
    step: str
    target: str = ""
    """``stdout``, ``stderr`` or ``body``; ``outputs.NAME``; a path; ``files`` for all that no check looked at."""
    how: How
    scenario: str
    status: Status = "untried"
    caught_by: str = ""
    """The check or the step that noticed."""
    proposal: str = ""
    """A check that held without the mutant and did not with it; empty when none was found."""
    place: str = ""
    """Where the proposed check belongs: ``step`` (its ``expect``) or ``scenario``."""


class Strength(Record):
    """The strength of a package's checks in one environment."""

    method: int = METHOD
    made: int = 0
    """How many mutants there could be; above the limit a sample of them was tried."""
    mutants: list[MutantRecord] = Field(default_factory=list)
    ungraded: list[str] = Field(default_factory=list)
    """Scenarios that could not be graded, since they did not end the same way again."""
    seconds: float = 0

    @property
    def n(self) -> int:
        return sum(mutant.status in ("caught", "survived") for mutant in self.mutants)

    @property
    def caught(self) -> int:
        return sum(mutant.status == "caught" for mutant in self.mutants)

    @property
    def survivors(self) -> list[MutantRecord]:
        return [mutant for mutant in self.mutants if mutant.status == "survived"]

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.caught, self.n)

    @property
    def is_conclusive(self) -> bool:
        """Whether enough was tried: our lack of time or trouble of ours must not look like weak checks."""
        voids = sum(mutant.status == "void" for mutant in self.mutants)
        is_complete = self.n + voids == len(self.mutants) and voids <= self.n
        return self.n > 0 and (is_complete or self.n >= ENOUGH)

    @property
    def is_sample(self) -> bool:
        return self.made > len(self.mutants) or any(mutant.status == "untried" for mutant in self.mutants)

    def grade(self, threshold: float = DEFAULT_THRESHOLD) -> Grade:
        """By the lower bound of the interval: what is shown, not what may be."""
        lower, _upper = self.interval
        if lower >= max(STRONG, threshold):
            return "strong"
        if lower >= threshold and self.n:
            return "fair"
        return "weak" if self.is_conclusive else "unknown"

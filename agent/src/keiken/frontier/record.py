"""What an exploration leaves behind: every run, a verdict for every condition, and what nobody had declared."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from keiken.replay.report import Record

METHOD = 1
"""Raised whenever other places are tried or judged otherwise."""

Axis = Literal["release", "tool", "locale", "time_zone", "date"]
Outcome = Literal["passed", "refused", "failed"]
Verdict = Literal["proved", "supported", "contradicted", "unknown"]
"""``unknown``: not even its inside could be run."""


class Flip(Record):
    """One thing that is otherwise than in the baseline."""

    axis: Axis
    value: str
    """A locale, a time zone, days, the name of a tool that was taken away, or another environment."""


class Run(Record):
    """All scenarios in one place, once with the package's conditions and once without them."""

    flips: list[Flip] = Field(default_factory=list)
    """None is the baseline."""
    environment: str
    environment_digest: str
    outcome: Outcome
    """``refused``: the conditions do not hold there. What happens without them is ``bare``."""
    bare: Literal["passed", "failed"]
    reason: str
    unmet: list[str] = Field(default_factory=list)
    """The keys of the conditions that do not hold."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """Those that conditions, flips and proposals speak of."""

    @property
    def axes(self) -> set[Axis]:
        return {flip.axis for flip in self.flips}


class NotRun(Record):
    """A place that could not be had here: said, not guessed."""

    axis: Axis
    value: str
    reason: str


class ConditionVerdict(Record):
    key: str
    condition: str
    """For people."""
    verdict: Verdict
    reason: str
    inside: list[int] = Field(default_factory=list)
    """The runs (by number) where it and all others hold."""
    outside: list[int] = Field(default_factory=list)
    """The runs where it alone does not hold."""


class Dependence(Record):
    """Something undeclared that decides: with the flip it fails, without it passes."""

    axis: Axis
    value: str
    passed: int
    failed: int
    """The two runs, by number."""
    reason: str


class Proposal(Record):
    """A condition that agrees with everything seen."""

    key: str
    direction: Literal["narrower", "wider"]
    value: Any = None
    """As it stands in experience.yaml; None takes the condition away."""
    text: str
    evidence: list[str]


class Frontier(Record):
    method: int = METHOD
    runs: list[Run] = Field(default_factory=list)
    not_run: list[NotRun] = Field(default_factory=list)
    conditions: list[ConditionVerdict] = Field(default_factory=list)
    dependences: list[Dependence] = Field(default_factory=list)
    proposals: list[Proposal] = Field(default_factory=list)
    seconds: float = 0

"""What a replay is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from keiken.checks import Evaluator
from keiken.package import Package
from keiken.package.manifest import Scenario, Step
from keiken.replay.evidence import Evidence
from keiken.replay.report import StepRecord
from keiken.replay.tamper import Tamper, Untouched
from keiken.sandbox.protocol import Sandbox

Answer = Callable[[Step, str], bool | None]
"""A person's or a policy's answer to a step's question; None when there is nobody to ask."""
Progress = Callable[[str, StepRecord], None]
"""Called with ``started`` or ``ended`` and a masked copy of the step's record so far."""

WALL_SECONDS = 3600.0


@dataclass(kw_only=True)
class Replay:
    """What to replay, with what, where. ``executor`` opens the sandbox, only once nothing speaks against it."""

    package: Package
    executor: Callable[[], Sandbox]
    facts: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    answer: Answer = lambda _step, _question: None
    scenario: Scenario | None = None
    """Its parameters, secrets, answers, files and services take the place of those given here."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Input files to be put below ``work/`` before the first step."""
    reference: str = ""
    undo: Literal["never", "on_divergence", "only"] = "never"
    """``only`` runs the undo steps instead of the steps, on a work folder that a replay left."""
    is_hollow: bool = False
    """Carry out no step and claim success for each: the checks must see through it."""
    tamper: Tamper = field(default_factory=Untouched)
    """What stands between steps and checks while checks are graded."""
    on_event: Progress = lambda _what, _record: None
    evaluator: Evaluator | None = None
    """One that stays open for the next replay; else each has its own."""
    on_evidence: Callable[[Evidence], None] | None = None
    """Called once at the end with what there was to be seen, if somebody wants that looked at and kept."""
    collect: Callable[[Sandbox], None] = lambda _sandbox: None
    """Called before the sandbox is closed, when the steps succeeded."""
    limits_enforced: bool = True
    """What to report where the sandbox itself does not say."""
    wall_seconds: float = WALL_SECONDS
    """For everything together, waiting and retrying included; undo steps get as much again."""

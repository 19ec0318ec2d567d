"""Where a replay can be watched or spoiled between a step and its checks: keiken.strength does both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from keiken.package.manifest import Step
from keiken.replay.actions import ActionResult
from keiken.sandbox.protocol import Sandbox

Holds = Callable[[str], bool]
"""Whether a check would hold at this place of the replay. It is only asked: its answer changes nothing."""


class Tamper(Protocol):
    """Called by the engine around every step that is carried out. It may spoil what a step did, never a check."""

    def leaves_out(self, step: Step) -> bool:
        """Whether the step's action is not carried out and claims success all the same."""
        ...

    def begins(self, step: Step, sandbox: Sandbox) -> None:
        """Before the step's action, after its ``requires``."""
        ...

    def acted(self, step: Step, sandbox: Sandbox, result: ActionResult) -> ActionResult:
        """After each attempt, before the step's ``expect``: what its checks get to see."""
        ...

    def told(self, step: Step, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The step's outputs as later steps and checks get to see them."""
        ...

    def held(self, step: Step, holds: Holds) -> None:
        """After the step's ``expect`` held, before its outputs and the invariants."""
        ...

    def ended(self, holds: Holds) -> None:
        """Where the scenario's ``expect`` is evaluated, after it."""
        ...

    def looked(self, path: str) -> None:
        """A check looked at this file."""
        ...


class Untouched:
    """Every replay but those that grade checks."""

    def leaves_out(self, step: Step) -> bool:
        return False

    def begins(self, step: Step, sandbox: Sandbox) -> None:
        return None

    def acted(self, step: Step, sandbox: Sandbox, result: ActionResult) -> ActionResult:
        return result

    def told(self, step: Step, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return outputs

    def held(self, step: Step, holds: Holds) -> None:
        return None

    def ended(self, holds: Holds) -> None:
        return None

    def looked(self, path: str) -> None:
        return None

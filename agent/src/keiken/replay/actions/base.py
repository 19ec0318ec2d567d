"""What an action is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.package.manifest import Step
from keiken.sandbox.protocol import RunResult, Sandbox

POLICY_CODES = {"command_not_permitted", "write_not_permitted", "network_not_permitted"}
"""What a step tried and must not. No check can allow it, and trying again does not help."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One replay, as its actions see it."""

    sandbox: Sandbox
    fill: Callable[[str], str]
    """Puts values into ``${{ }}``. Raises Failed."""
    answer: Callable[[Step, str], bool | None]
    """A person's or a policy's answer to a question; None when there is nobody to ask."""
    seconds_left: float
    may_run: Callable[[str], bool]
    may_write: Callable[[str], bool]
    may_connect: Callable[[str, int], bool]


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """``result`` is what checks see. ``problem`` means that the action could not be carried out."""

    result: Mapping[str, Any]
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    problem: KeikenError | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    is_cut: bool = False
    """More was printed than was kept, so the last characters may be half of something."""

    def without_ends(self, characters: int) -> ActionResult:
        """Where output was cut, its last characters left out: they could be the first half of a secret."""
        if not self.is_cut or characters == 0:
            return self
        stdout, stderr = self.stdout[:-characters], self.stderr[:-characters]
        return replace(self, result={**self.result, "stdout": stdout, "stderr": stderr}, stdout=stdout, stderr=stderr)


class Action(Protocol):
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        """In one line what will be carried out, for people; unmasked."""
        ...

    def words(self, step: Step, fill: Callable[[str], str]) -> list[str]:
        """The same word by word, as a process would be given it; unmasked."""
        ...

    def perform(self, step: Step, job: Job) -> ActionResult:
        """Carry it out. Trouble is in the result; raises Failed only for values that cannot be used."""
        ...

    def hollow(self, step: Step) -> Mapping[str, Any]:
        """The result of a success that did nothing: what a lying step would claim."""
        ...


def not_permitted(code: str, step: Step, what: str) -> KeikenError:
    return KeikenError(
        code,
        _("Step '{step}' uses '{what}', which the package's permissions do not name.").format(step=step.id, what=what),
        _("Ask its publisher to declare it."),
    )


def refused(code: str, step: Step, what: str) -> ActionResult:
    return ActionResult(result={"error": code}, problem=not_permitted(code, step, what))


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def of_process(step: Step, ran: RunResult) -> ActionResult:
    """The result of a command; ``result.error`` is empty when it ended by itself, whatever its exit code."""
    problem = _problem(step, ran)
    stdout, stderr = text(ran.stdout), text(ran.stderr)
    return ActionResult(
        result={
            "exit_code": ran.exit_code,
            "stdout": stdout,
            "stderr": stderr,
            "duration_seconds": round(ran.duration_seconds, 3),
            "error": problem.code if problem else "",
        },
        exit_code=ran.exit_code,
        stdout=stdout,
        stderr=stderr,
        problem=problem,
        cpu_seconds=ran.cpu_seconds,
        peak_memory_bytes=ran.peak_memory_bytes,
        is_cut=ran.truncated,
    )


def _problem(step: Step, ran: RunResult) -> KeikenError | None:
    problems = {
        "not_found": (
            "command_not_found",
            _("the command is not there"),
            _("Install it, or replay where it is; a condition 'tool.NAME' would have said so before."),
        ),
        "timeout": (
            "timeout",
            _("it took longer than {n:g} s").format(n=step.timeout_seconds),
            _("Raise the step's timeout_seconds if it needs longer."),
        ),
        "out_of_memory": (
            "out_of_memory",
            _("it wanted more memory than it may have"),
            _("Let it work on less at once."),
        ),
        "output_limit": ("output_limit", _("it printed more than it may"), _("Let it write to a file below work/.")),
        "killed": ("killed", _("the sandbox ended while it ran"), _("See what it did to its other processes.")),
    }
    if ran.reason not in problems:
        return None
    code, why, advice = problems[ran.reason]
    return KeikenError(code, _("Step '{step}': {why}.").format(step=step.id, why=why), advice)


HOLLOW_PROCESS = {"exit_code": 0, "stdout": "", "stderr": "", "duration_seconds": 0.0, "error": ""}

"""What an action is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.package.manifest import Step
from keiken.sandbox.protocol import RunResult, Sandbox


@dataclass(frozen=True)
class Job:
    """One replay, as its actions see it. ``fill`` puts values into ``${{ }}``."""

    sandbox: Sandbox
    package: Path
    fill: Callable[[str], str]
    answer: Callable[[Step, str], bool | None]
    """A person's or a policy's answer to a question; None when there is nobody to ask."""


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """``result`` is what checks see. ``problem`` means that the action could not be carried out."""

    result: Mapping[str, Any]
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    problem: KeikenError | None = None


class Action(Protocol):
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        """In one line what will be carried out, for people; unmasked."""
        ...

    def perform(self, step: Step, job: Job) -> ActionResult: ...

    def hollow(self, step: Step) -> Mapping[str, Any]:
        """The result of a success that did nothing: what a lying step would claim."""
        ...


@dataclass(frozen=True)
class Problem:
    """Why a process did not end by itself."""

    code: str
    message: str
    advice: str = field(default="")


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def of_process(step: Step, ran: RunResult) -> ActionResult:
    """The result of a command. That it was stopped or could not start is a problem, whatever the checks say."""
    problems = {
        "not_found": ("command_not_executed", text(ran.stderr).strip() or _("the command is not there")),
        "timeout": ("timeout", _("it took longer than {n:g} s").format(n=step.timeout_seconds)),
        "out_of_memory": ("out_of_memory", _("it wanted more memory than it may have")),
        "output_limit": ("output_limit", _("it printed more than it may")),
        "killed": ("killed", _("the sandbox ended while it ran")),
    }
    problem = None
    if ran.reason in problems:
        code, why = problems[ran.reason]
        if ran.reason == "not_found" and ran.exit_code == 126:
            code = "command_not_permitted"
        problem = KeikenError(code, _("step '{step}': {why}.").format(step=step.id, why=why.rstrip(".")))
    stdout, stderr = text(ran.stdout), text(ran.stderr)
    return ActionResult(
        result={
            "exit_code": ran.exit_code,
            "stdout": stdout,
            "stderr": stderr,
            "duration_seconds": round(ran.duration_seconds, 3),
        },
        exit_code=ran.exit_code,
        stdout=stdout,
        stderr=stderr,
        problem=problem,
    )


HOLLOW_PROCESS = {"exit_code": 0, "stdout": "", "stderr": "", "duration_seconds": 0.0}

"""``shell``: a script exactly as it stands in the package; values reach it only as environment variables."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from keiken.package.manifest import Step
from keiken.replay.actions.base import HOLLOW_PROCESS, ActionResult, Job, of_process


class Shell:
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        variables = "".join(f"{name}={shlex.quote(fill(value))} " for name, value in step.env.items())
        return f"{variables}sh -c {shlex.quote(step.shell or '')}"

    def words(self, step: Step, fill: Callable[[str], str]) -> list[str]:
        return ["sh", "-c", step.shell or ""]

    def perform(self, step: Step, job: Job) -> ActionResult:
        ran = job.sandbox.run(
            ["sh", "-c", step.shell or ""],
            env={name: job.fill(value) for name, value in step.env.items()},
            stdin=job.fill(step.stdin or "").encode(),
            timeout_seconds=min(step.timeout_seconds, job.seconds_left),
        )
        return of_process(step, ran)

    def hollow(self, step: Step) -> Mapping[str, Any]:
        return HOLLOW_PROCESS

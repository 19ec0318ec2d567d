"""``run``: one command as a list of words; no shell ever sees them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from keiken.package.manifest import Step
from keiken.replay.actions.base import HOLLOW_PROCESS, ActionResult, Job, of_process


class Run:
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        return shlex.join(fill(word) for word in step.run or [])

    def perform(self, step: Step, job: Job) -> ActionResult:
        ran = job.sandbox.run(
            [job.fill(word) for word in step.run or []],
            env={name: job.fill(value) for name, value in step.env.items()},
            stdin=job.fill(step.stdin or "").encode(),
            timeout_seconds=step.timeout_seconds,
        )
        return of_process(step, ran)

    def hollow(self, step: Step) -> Mapping[str, Any]:
        return HOLLOW_PROCESS

"""``run``: one command as a list of words; no shell ever sees them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from keiken.package.manifest import Step
from keiken.replay.actions.base import HOLLOW_PROCESS, ActionResult, Job, of_process, refused
from keiken.replay.template import fill_words


class Run:
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        return shlex.join(fill(word) for word in step.run or [])

    def words(self, step: Step, fill: Callable[[str], str]) -> list[str]:
        return [fill(word) for word in step.run or []]

    def perform(self, step: Step, job: Job) -> ActionResult:
        argv = fill_words(step.run or [], job.fill)
        if not job.may_run(argv[0]):
            return refused("command_not_permitted", step, argv[0])
        ran = job.sandbox.run(
            argv,
            env={name: job.fill(value) for name, value in step.env.items()},
            stdin=job.fill(step.stdin or "").encode(),
            timeout_seconds=min(step.timeout_seconds, job.seconds_left),
        )
        return of_process(step, ran)

    def hollow(self, step: Step) -> Mapping[str, Any]:
        return HOLLOW_PROCESS

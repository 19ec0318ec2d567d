"""``ask``: a person, or a policy in their place, says yes or no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.package.manifest import Step
from keiken.replay.actions.base import ActionResult, Job


class Ask:
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        return _("ask: {question}").format(question=fill(step.ask or ""))

    def words(self, step: Step, fill: Callable[[str], str]) -> list[str]:
        return [fill(step.ask or "")]

    def perform(self, step: Step, job: Job) -> ActionResult:
        answer = job.answer(step, job.fill(step.ask or ""))
        if answer is not None:
            return ActionResult(result={"answer": answer, "error": ""})
        problem = KeikenError(
            "answer_missing",
            _("Step '{step}' asks a question, and there is nobody to answer it.").format(step=step.id),
            _("Answer it with --answer {step}=yes.").format(step=step.id),
        )
        return ActionResult(result={"answer": False, "error": problem.code}, problem=problem)

    def hollow(self, step: Step) -> Mapping[str, Any]:
        return {"answer": True, "error": ""}

"""One step: its precondition, its action, its postconditions, its outputs, and what must hold after every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from keiken.checks import CheckError
from keiken.errors import Diverged, Failed, KeikenError
from keiken.i18n import _
from keiken.package.manifest import Step
from keiken.replay.actions import ACTIONS, ActionResult, Job
from keiken.replay.actions.base import POLICY_CODES
from keiken.replay.checking import Checker, check_failed, mentions
from keiken.replay.clock import Clock
from keiken.replay.notebook import Notebook
from keiken.replay.permissions import Allowance
from keiken.replay.repeating import explained, why_not_again
from keiken.replay.report import CheckRecord, StepRecord
from keiken.replay.reporting import TAIL_CHARACTERS
from keiken.replay.request import Replay
from keiken.replay.state import Listing, changes, listing
from keiken.sandbox.protocol import Sandbox

IMPLIED = {"run": "result.exit_code == 0", "shell": "result.exit_code == 0", "ask": "result.answer"}
"""Expected of an action unless the step's checks speak of that field themselves."""
Emit = Callable[[str, StepRecord], None]


class Stepper:
    """Carries steps out in one sandbox."""

    def __init__(
        self,
        job: Replay,
        sandbox: Sandbox,
        checker: Checker,
        clock: Clock,
        emit: Emit,
        notebook: Notebook | None = None,
    ) -> None:
        self._job, self._sandbox, self._checker, self._clock, self._emit = job, sandbox, checker, clock, emit
        self._notebook = notebook
        self._before: Listing | None = None
        self._allowance = Allowance(job.package.manifest.permissions)

    def run(self, step: Step, record: StepRecord) -> None:
        """Raises Diverged or Failed; the record then says where and why."""
        self._emit("started", record)
        if self._notebook is not None:
            self._notebook.begin(step.id)
        try:
            self._clock.check()
            if step.when is not None and not self._checker.decides(
                _where(step), step.when, record.checks, is_hollow=self._job.is_hollow
            ):
                record.status = "skipped"
                return
            self._run_unless_skipped(step, record)
            record.status = "succeeded"
        except (Diverged, CheckError) as error:
            record.status, record.reason = "diverged", error.message
            raise
        except Failed as error:
            record.status, record.reason = "failed", error.message
            raise
        except BaseException:
            # Trouble of ours or an interruption: the action had begun, so it must not read as not run.
            record.status = "failed" if record.attempts else "not_run"
            raise
        finally:
            self._emit("ended", record)

    def _run_unless_skipped(self, step: Step, record: StepRecord) -> None:
        self._checker.hold("requires", _where(step), step.requires, {}, record.checks)
        # What a service or a process in the background did since the last step is told with this one, not lost.
        before = self._before if self._before is not None else self._listing()
        self._job.tamper.begins(step, self._sandbox)
        try:
            result = self._attempts(step, record)
        finally:
            after = self._before = self._listing()
            record.changed = changes(before, after)
            if self._notebook is not None:
                self._notebook.note_files(before, after)
        self._job.tamper.held(step, lambda check: self._checker.check("expect", check, result).holds)
        told = {name: self._output(name, text, result) for name, text in step.outputs.items()}
        outputs = dict(self._job.tamper.told(step, told))
        record.outputs = outputs
        self._checker.keep(step, outputs)
        self._checker.hold("invariant", _where(step), self._job.package.manifest.invariants, result, record.checks)

    def _listing(self) -> Listing:
        if self._job.is_hollow:
            return {}
        return listing(self._sandbox, self._notebook.look_for_secrets if self._notebook is not None else None)

    def _attempts(self, step: Step, record: StepRecord) -> Mapping[str, Any]:
        """The result of the first attempt that does what it should. Only a step that declares ``retry`` has several.

        No effect is repeated blindly: where the action may not be carried out again, its checks are looked at again.
        """
        attempts = step.retry.attempts if step.retry and not self._job.is_hollow else 1
        earlier: list[str] = []
        result, why_not = self._attempt(step, record), ""
        for attempt in range(1, attempts + 1):
            trouble = self._trouble(step, result, record)
            if trouble is None:
                record.reason = "; ".join(filter(None, [*earlier, why_not]))
                return result.result
            # That a command was stopped or not found does not change by waiting.
            if attempt == attempts or trouble.code in POLICY_CODES or (why_not and isinstance(trouble, Failed)):
                raise explained(trouble, why_not)
            earlier.append(_("attempt {n}: {why}").format(n=attempt, why=trouble.message))
            assert step.retry is not None
            self._clock.sleep(step.retry.delay_seconds)
            why_not = why_not or why_not_again(step, lambda check: self._checker.check("requires", check, {}).holds)
            if not why_not:
                result = self._attempt(step, record)
        raise AssertionError("there is at least one attempt")

    def _attempt(self, step: Step, record: StepRecord) -> ActionResult:
        record.attempts += 1
        return self._perform(step, record)

    def _perform(self, step: Step, record: StepRecord) -> ActionResult:
        action = ACTIONS[step.action]
        if self._job.is_hollow:
            return ActionResult(result=action.hollow(step))
        if self._job.tamper.leaves_out(step):
            return ActionResult(result=action.hollow(step))
        fill = self._checker.filler(step.id)
        record.command = action.describe(step, fill)
        if self._notebook is not None:
            self._notebook.note_command(action.words(step, fill))
        started = time.monotonic()
        job = Job(
            sandbox=self._sandbox,
            fill=fill,
            answer=self._answer,
            seconds_left=self._clock.seconds_left,
            may_run=self._allowance.may_run,
            may_write=self._allowance.may_write,
            may_connect=self._allowance.may_connect,
        )
        result = action.perform(step, job).without_ends(self._checker.mask.margin)
        if step.action == "ask":
            self._clock.extend(time.monotonic() - started)
        record.duration_seconds = round(record.duration_seconds + time.monotonic() - started, 4)
        record.exit_code = result.exit_code
        if self._notebook is not None:
            self._notebook.note_usage(result.cpu_seconds, result.peak_memory_bytes)
        record.stdout, record.stderr = self._tail(result.stdout), self._tail(result.stderr)
        return self._job.tamper.acted(step, self._sandbox, result)

    def _tail(self, text: str) -> str:
        """Masked before it is cut; the rest is not kept, since hundreds of steps may each print a mebibyte."""
        return self._checker.mask.text(text)[-TAIL_CHARACTERS:]

    def _answer(self, step: Step, question: str) -> bool | None:
        if self._job.scenario is not None:
            return self._job.scenario.answers.get(step.id)
        return self._job.answer(step, question)

    def _trouble(self, step: Step, result: ActionResult, record: StepRecord) -> Diverged | Failed | None:
        """Why this attempt is not what the step should be. Its checks take the place of those of earlier attempts."""
        problem = result.problem
        is_judged_by_checks = mentions(step.expect, "error")
        if problem is not None and (problem.code in POLICY_CODES or not is_judged_by_checks):
            kind = Diverged if problem.code == "answer_missing" else Failed
            return kind(problem.code, problem.message, problem.advice)
        checks = [self._checked(expression, result) for expression in self._expectations(step, problem)]
        record.checks = [check for check in record.checks if check.kind != "expect"] + checks
        failing = next((check for check in checks if not check.holds), None)
        if failing is None:
            return None
        if step.action == "ask" and failing.expression == IMPLIED["ask"]:
            return Diverged(
                "declined",
                _("Step '{step}' was declined: {question}").format(step=step.id, question=step.ask),
                _("Nothing later was carried out; replay again when the answer can be yes."),
            )
        return check_failed(_where(step), failing)

    def _checked(self, expression: str, result: ActionResult) -> CheckRecord:
        self._clock.check()
        return self._checker.check("expect", expression, result.result)

    def _expectations(self, step: Step, problem: KeikenError | None) -> list[str]:
        implied = IMPLIED.get(step.action)
        if (
            implied is None
            or problem is not None
            or mentions(step.expect, implied.split(" ")[0].removeprefix("result."))
        ):
            return step.expect
        return [implied, *step.expect]

    def _output(self, name: str, expression: str, result: Mapping[str, Any]) -> Any:
        if self._job.is_hollow:
            return self._checker.value_or_null(expression, result)
        return self._checker.value("output", name, expression, result)


def _where(step: Step) -> str:
    return _("step '{step}'").format(step=step.id)

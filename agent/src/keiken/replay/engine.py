"""The replay engine: conditions, then steps in their order, each between its checks. A report in every case."""

from __future__ import annotations

import logging
import platform
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from keiken import __version__
from keiken.checks import CheckError, Evaluator
from keiken.conditions import match, parse
from keiken.errors import Diverged, Failed, KeikenError, Refused
from keiken.i18n import _
from keiken.package import Package
from keiken.package.manifest import Scenario, Step
from keiken.replay import parameters as parameters_module
from keiken.replay.actions import ACTIONS, ActionResult, Job
from keiken.replay.masking import Mask
from keiken.replay.report import CheckRecord, ConditionRecord, ExecutorRecord, Report, StepRecord
from keiken.replay.state import JobState, changes, listing
from keiken.replay.template import fill
from keiken.sandbox.patterns import matches
from keiken.sandbox.protocol import Sandbox

logger = logging.getLogger(__name__)

REPLAYER = f"keiken {__version__}"
TAIL_CHARACTERS = 4_000
Answer = Callable[[Step, str], bool | None]
Progress = Callable[[str, StepRecord], None]
"""Called with ``started`` or ``ended`` and the step's record so far."""


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
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Input files to be put below ``work/`` before the first step."""
    reference: str = ""
    undo: Literal["never", "on_divergence", "only"] = "never"
    """``only`` runs the undo steps instead of the steps, on a work folder that a replay left."""
    is_hollow: bool = False
    """Carry out no step and claim success for each: the checks must see through it."""
    on_event: Progress = lambda _what, _record: None
    collect: Callable[[Sandbox], None] = lambda _sandbox: None
    """Called before the sandbox is closed, when the replay succeeded."""
    limits_enforced: bool = True


def replay(job: Replay) -> Report:
    """Carry it out and report. Never raises for what the package, its code or the machine did."""
    return _Run(job).report_of_all()


class _Run:
    """One replay in progress."""

    def __init__(self, job: Replay) -> None:
        self.job = job
        self.manifest = job.package.manifest
        self.started = time.monotonic()
        self.mask = Mask({name: value for name, value in job.secrets.items() if value})
        self.outputs: dict[str, Any] = {}
        self.secrets: dict[str, str] = {}
        self.has_started = False
        self.report = Report(
            replay_id=str(uuid.uuid4()),
            experience=job.reference or self.manifest.name,
            version=self.manifest.version,
            digest=job.package.digest,
            scenario=job.scenario.name if job.scenario else "",
            outcome="succeeded",
            facts=_relevant(job.facts, self.manifest.conditions),
            started_at=datetime.now(UTC),
            replayer=f"{REPLAYER} ({platform.python_implementation()} {platform.python_version()})",
        )

    def report_of_all(self) -> Report:
        self.report.steps = [_record(step) for step in self.manifest.steps]
        try:
            self._refuse_what_must_be()
            self._carry_out()
        except Refused as error:
            self._end("error" if self.has_started else "refused", error)
        except (Diverged, CheckError) as error:
            self._end("diverged", error)
        except Failed as error:
            self._end("failed", error)
        except Exception:
            logger.exception("replay of %s failed for a reason of ours", self.manifest.name)
            trouble = KeikenError(
                "internal_error",
                _("The replayer itself had trouble."),
                _("Its log says more; the experience is not to blame."),
            )
            self._end("error", trouble)
        self.report.duration_seconds = round(time.monotonic() - self.started, 3)
        return Report.model_validate(self.mask.value(self.report.model_dump(mode="json")))

    def _end(self, outcome: Any, error: KeikenError) -> None:
        self.report.outcome = outcome
        self.report.code, self.report.reason, self.report.advice = error.code, error.message, error.advice

    # --- before anything is touched

    def _refuse_what_must_be(self) -> None:
        findings = match(parse(self.manifest.conditions), self.job.facts).findings
        self.report.conditions = [
            ConditionRecord(condition=finding.condition.text(), status=finding.status, found=finding.found)
            for finding in findings
        ]
        unmet = [record for record in self.report.conditions if record.status != "holds"]
        if unmet:
            named = "; ".join(
                _("{condition} (found: {found})").format(
                    condition=record.condition, found=_("unknown") if record.status == "unknown" else record.found
                )
                for record in unmet
            )
            raise Refused(
                "condition_unmet",
                _("It is not known to work here: {conditions}.").format(conditions=named),
                _("Replay it where its conditions hold, or look for one that fits with 'keiken search --fits'."),
            )
        given = self.job.scenario.parameters if self.job.scenario else self.job.parameters
        secrets = self.job.scenario.secrets if self.job.scenario else self.job.secrets
        self.mask = Mask(dict(secrets))
        self.values = parameters_module.complete(self.manifest, given)
        self.report.parameters = dict(self.values)
        self.secrets = parameters_module.check_secrets(self.manifest, secrets)
        self.mask = Mask(self.secrets)
        self._check_permissions()

    def _check_permissions(self) -> None:
        """What a step says it does must be permitted before the first one runs."""
        permissions = self.manifest.permissions
        for step in [*self.manifest.steps, *self.manifest.undo]:
            if step.run and "${{" not in step.run[0] and step.run[0] not in permissions.commands:
                raise _not_permitted(step, step.run[0])
            if step.file and "${{" not in step.file.path and not self._may_write(step.file.path):
                raise _not_permitted(step, step.file.path)

    def _may_write(self, path: str) -> bool:
        return any(matches(pattern, path) for pattern in self.manifest.permissions.write or ["work/**"])

    # --- carrying out

    def _carry_out(self) -> None:
        sandbox = self.job.executor()
        try:
            self.report.executor = ExecutorRecord(
                driver=sandbox.driver,
                isolation=sandbox.isolation,
                environment=sandbox.environment.name,
                environment_digest=sandbox.environment.digest,
                limits_enforced=self.job.limits_enforced,
            )
            with Evaluator(JobState(sandbox)) as evaluator:
                self.sandbox, self.evaluator = sandbox, evaluator
                self._prepare()
                self.has_started = True
                self._run_all()
        finally:
            sandbox.close()

    def _prepare(self) -> None:
        files = dict(self.job.files)
        if self.job.scenario:
            folder = self.job.package.folder
            files |= {target: (folder / source).read_bytes() for target, source in self.job.scenario.files.items()}
        for target, content in files.items():
            self.sandbox.write(target, content, 0o644)
        for service in self.job.scenario.services if self.job.scenario else ():
            self.sandbox.start([self._fill(word) for word in service.run], env=service.env)
            deadline = time.monotonic() + service.timeout_seconds
            while not self._is_true(service.ready):
                if time.monotonic() > deadline:
                    raise Failed(
                        "service_not_ready", _("The service '{name}' did not become ready.").format(name=service.run[0])
                    )
                time.sleep(0.05)

    def _is_true(self, expression: str) -> bool:
        try:
            return self.evaluator.evaluate(expression, self._bindings({})) is True
        except CheckError as error:
            if error.code != "check_failed":
                raise
            return False  # a file or port that is not there yet

    def _run_all(self) -> None:
        steps, records = self.manifest.steps, self.report.steps
        if self.job.undo == "only":
            steps, self.report.undo = self.manifest.undo, [_record(step) for step in self.manifest.undo]
            records = self.report.undo
        try:
            for step, record in zip(steps, records, strict=True):
                self._run_step(step, record)
        except (Diverged, Failed, CheckError):
            if self.job.undo == "on_divergence" and any(record.attempts for record in records):
                self._undo()
            self._final_checks()
            raise
        for name, expression in self.manifest.result.items() if self.job.undo != "only" else ():
            self.report.result[name] = self._evaluate_or_diverge("result", expression, {}, self.report.checks)
        self.job.collect(self.sandbox)
        failing = self._final_checks()
        if failing is not None:
            raise _check_failed(_("the scenario"), failing)

    def _final_checks(self) -> CheckRecord | None:
        """After everything inside was killed, so that nothing can change what they look at. The first that fails."""
        expressions = self.job.scenario.expect if self.job.scenario else []
        if not expressions:
            return None
        self.sandbox.settle()
        bindings = self._bindings(self.report.result)
        records = [self._check("scenario", expression, bindings) for expression in expressions]
        self.report.checks += records
        return next((record for record in records if not record.holds), None)

    def _undo(self) -> None:
        self.report.undo = [_record(step) for step in self.manifest.undo]
        for step, record in zip(self.manifest.undo, self.report.undo, strict=True):
            try:
                self._run_step(step, record)
            except (Diverged, Failed, CheckError) as error:
                logger.info("undo step %s: %s", step.id, error.message)

    # --- one step

    def _run_step(self, step: Step, record: StepRecord) -> None:
        self.job.on_event("started", record)
        try:
            if step.when is not None:
                check = self._check("when", step.when, self._bindings({}))
                record.checks.append(check)
                if not check.holds:
                    record.status = "skipped"
                    return
            self._run_unless_skipped(step, record)
            record.status = "succeeded"
        except (Diverged, CheckError):
            record.status = "diverged"
            raise
        except Failed:
            record.status = "failed"
            raise
        finally:
            self.job.on_event("ended", record)

    def _run_unless_skipped(self, step: Step, record: StepRecord) -> None:
        self._hold("requires", step, step.requires, {}, record)
        before = listing(self.sandbox)
        attempts = step.retry.attempts if step.retry else 1
        for attempt in range(1, attempts + 1):
            record.attempts = attempt
            result = self._perform(step, record)
            checks = [
                self._check("expect", expression, self._bindings(result.result)) for expression in _expectations(step)
            ]
            failing = next((check for check in checks if not check.holds), None)
            if (result.problem is None and failing is None) or attempt == attempts:
                break
            assert step.retry is not None
            time.sleep(step.retry.delay_seconds)
        record.checks += checks if result.problem is None else []
        record.changed = changes(before, listing(self.sandbox))
        if result.problem is not None:
            kind = Diverged if result.problem.code == "answer_missing" else Failed
            raise kind(result.problem.code, result.problem.message, result.problem.advice)
        if failing is not None:
            raise _check_failed(_("step '{step}'").format(step=step.id), failing)
        self._keep_outputs(step, record, result.result)
        self._hold("invariant", step, self.manifest.invariants, result.result, record)

    def _perform(self, step: Step, record: StepRecord) -> ActionResult:
        action = ACTIONS[step.action]
        started = time.monotonic()
        if self.job.is_hollow:
            return ActionResult(result=action.hollow(step))
        record.command = self.mask.text(action.describe(step, self._fill))[:TAIL_CHARACTERS]
        if step.file is not None and not self._may_write(self._fill(step.file.path)):
            raise _not_permitted_now(step, self._fill(step.file.path))
        job = Job(self.sandbox, self.job.package.folder, self._fill, self._answer)
        result = action.perform(step, job)
        record.duration_seconds = round(time.monotonic() - started, 4)
        record.exit_code = result.exit_code
        record.stdout, record.stderr = self._tail(result.stdout), self._tail(result.stderr)
        record.reason = result.problem.code if result.problem else ""
        return result

    def _answer(self, step: Step, question: str) -> bool | None:
        if self.job.scenario is not None:
            return self.job.scenario.answers.get(step.id)
        return self.job.answer(step, question)

    def _keep_outputs(self, step: Step, record: StepRecord, result: Mapping[str, Any]) -> None:
        values: dict[str, Any] = {}
        for name, expression in step.outputs.items():
            if self.job.is_hollow:
                values[name] = self._value_or_null(expression, result)
            else:
                values[name] = self._evaluate_or_diverge("output", expression, result, record.checks)
        record.outputs = values
        self.outputs[step.id] = {"outputs": values}

    def _value_or_null(self, expression: str, result: Mapping[str, Any]) -> Any:
        try:
            return self.evaluator.evaluate(expression, self._bindings(result))
        except CheckError:
            return None

    # --- checks

    def _hold(
        self, kind: Any, step: Step, expressions: list[str], result: Mapping[str, Any], record: StepRecord
    ) -> None:
        for expression in expressions:
            check = self._check(kind, expression, self._bindings(result))
            record.checks.append(check)
            if not check.holds:
                raise _check_failed(_("step '{step}'").format(step=step.id), check)

    def _check(self, kind: Any, expression: str, bindings: Mapping[str, Any]) -> CheckRecord:
        """A check that cannot be evaluated does not hold; its error is the detail."""
        try:
            value = self.evaluator.evaluate(expression, bindings)
            if value is True:
                return CheckRecord(kind=kind, expression=expression, holds=True)
            detail = self.evaluator.explain(expression, bindings) if value is False else _("it is not true or false")
        except CheckError as error:
            detail = error.message
        return CheckRecord(kind=kind, expression=expression, holds=False, detail=self.mask.text(detail)[:1000])

    def _evaluate_or_diverge(
        self, kind: Any, expression: str, result: Mapping[str, Any], records: list[CheckRecord]
    ) -> Any:
        try:
            return _plain(self.evaluator.evaluate(expression, self._bindings(result)))
        except CheckError as error:
            records.append(CheckRecord(kind=kind, expression=expression, holds=False, detail=error.message))
            raise

    def _bindings(self, result: Mapping[str, Any]) -> dict[str, Any]:
        steps = {step.id: {"outputs": {}} for step in self.manifest.steps} | self.outputs
        return {"result": dict(result), "parameters": self.values, "steps": steps, "facts": dict(self.job.facts)}

    def _fill(self, text: str) -> str:
        return fill(text, lambda expression: self.evaluator.evaluate(expression, self._bindings({})), self.secrets)

    def _tail(self, text: str) -> str:
        return _printable(self.mask.text(text)[-TAIL_CHARACTERS:])


def _record(step: Step) -> StepRecord:
    return StepRecord(id=step.id, title=step.title or "", action=step.action)


def _expectations(step: Step) -> list[str]:
    """A command is expected to exit with 0 unless its checks speak of the exit code."""
    if step.action in ("run", "shell") and not any("result.exit_code" in check for check in step.expect):
        return ["result.exit_code == 0", *step.expect]
    return step.expect


def _check_failed(where: str, check: CheckRecord) -> Diverged:
    code = {"requires": "precondition_failed", "invariant": "invariant_failed"}.get(check.kind, "check_failed")
    message = _("In {where} this does not hold: {check}").format(where=where, check=check.expression)
    detail = f" ({check.detail})" if check.detail and check.detail != check.expression else ""
    return Diverged(code, f"{message}{detail}", _("Nothing later was carried out."))


def _not_permitted(step: Step, what: str) -> Refused:
    message = _("Step '{step}' uses '{what}', which the package's permissions do not name.")
    return Refused("permission_missing", message.format(step=step.id, what=what), _("Ask its publisher to declare it."))


def _not_permitted_now(step: Step, what: str) -> Failed:
    refused = _not_permitted(step, what)
    return Failed("write_not_permitted", refused.message, refused.advice)


def _printable(text: str) -> str:
    """Control characters escaped: what a step printed must not steer somebody's terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _plain(value: Any) -> Any:
    """JSON values stay; bytes and times become text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _relevant(facts: Mapping[str, Any], conditions: Mapping[str, Any]) -> dict[str, Any]:
    """What the report tells of a machine: what was asked, and its kind; not all that could be probed."""
    general = ("os.", "locale.", "python.")
    return {key: value for key, value in facts.items() if key in conditions or key.startswith(general)}

"""The replay engine: conditions, then steps in their order, each between its checks. A report in every case."""

from __future__ import annotations

import contextlib
import logging
import platform
import time
import traceback
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from keiken import __version__
from keiken.checks import CheckError, Evaluator
from keiken.errors import Diverged, Failed, KeikenError, Refused
from keiken.i18n import _
from keiken.package.manifest import Service, Step
from keiken.replay import refusals
from keiken.replay.checking import Checker, check_failed
from keiken.replay.clock import Clock
from keiken.replay.masking import Mask
from keiken.replay.notebook import Notebook
from keiken.replay.permissions import Allowance
from keiken.replay.report import CheckRecord, ExecutorRecord, Outcome, Report, StepRecord
from keiken.replay.reporting import masked, masked_step, plain
from keiken.replay.request import Replay
from keiken.replay.state import JobState, LaterState
from keiken.replay.stepping import Stepper
from keiken.replay.wayout import WayOut
from keiken.sandbox.protocol import Sandbox

logger = logging.getLogger(__name__)

REPLAYER = f"keiken {__version__}"
READY_POLL_SECONDS = (0.005, 0.1)
"""A service is asked again so soon at first, and never more seldom than the second: most are ready at once."""


def replay(job: Replay) -> Report:
    """Carry it out and report. Never raises for what the package, its code or the machine did.

    An interruption by hand (KeyboardInterrupt) also ends in a report, with the code ``interrupted``.
    """
    return _Run(job).report_of_all()


class _Run:
    """One replay in progress."""

    def __init__(self, job: Replay) -> None:
        self.job = job
        self.manifest = job.package.manifest
        self.started = time.monotonic()
        self.clock = Clock(job.wall_seconds)
        self.mask = Mask(job.scenario.secrets if job.scenario else job.secrets)
        self.notebook = Notebook(self.mask) if job.on_evidence is not None else None
        self.state = LaterState()
        self.way_out = WayOut()
        self.has_started = False
        self.report = Report(
            replay_id=str(uuid.uuid4()),
            experience=job.reference or self.manifest.name,
            version=self.manifest.version,
            digest=job.package.digest,
            scenario=job.scenario.name if job.scenario else "",
            outcome="succeeded",
            facts=_relevant(job.facts, self.manifest.conditions),
            steps=[_record(step) for step in self.manifest.steps],
            started_at=datetime.now(UTC),
            replayer=f"{REPLAYER} ({platform.python_implementation()} {platform.python_version()})",
        )

    def report_of_all(self) -> Report:
        try:
            with self._evaluator() as evaluator:
                self._refuse_or_carry_out(evaluator)
        except Refused as error:
            self._end("error" if self.has_started else "refused", error)
        except (Diverged, CheckError) as error:
            self._end("diverged", error)
        except Failed as error:
            self._end("failed", error)
        except KeikenError as error:
            self._end("error", error)
        except KeyboardInterrupt:
            # Steps may have changed something: what was done must be told, by hand or not.
            self._end("error", _interrupted())
        except Exception:
            # The traceback is for the operator; it may quote what was masked for everybody else, so it is masked too.
            logger.error(
                "replay of %s failed for a reason of ours\n%s",
                self.manifest.name,
                self.mask.text(traceback.format_exc()),
            )
            self._end("error", _internal_error())
        self.report.duration_seconds = round(time.monotonic() - self.started, 3)
        report = masked(self.report, self.mask)
        if self.job.on_evidence is not None and self.notebook is not None:
            self.job.on_evidence(self.notebook.evidence(report, self.report))
        return report

    def _evaluator(self) -> contextlib.AbstractContextManager[Evaluator]:
        if self.job.evaluator is None:
            return Evaluator(self.state)
        self.job.evaluator.look_at(self.state)
        return contextlib.nullcontext(self.job.evaluator)

    def _end(self, outcome: Outcome, error: KeikenError) -> None:
        self.report.outcome = outcome
        self.report.code, self.report.reason = error.code, error.message
        self.report.advice = " ".join(filter(None, [error.advice, self.report.advice]))

    def _refuse_or_carry_out(self, evaluator: Evaluator) -> None:
        refusals.check_conditions(self.job, self.report)
        values, secrets = refusals.complete_inputs(self.job)
        self.report.parameters = plain(values)
        refusals.check_permissions(self.job, Allowance(self.manifest.permissions))
        refusals.check_values(self.job, evaluator, values)
        self.checker = Checker(
            evaluator,
            mask=self.mask,
            clock=self.clock,
            parameters=values,
            secrets=secrets,
            facts=self.job.facts,
            steps=[*self.manifest.steps, *self.manifest.undo],
            notebook=self.notebook,
        )
        evaluator.warm_up()
        sandbox = self.job.executor()
        try:
            self.state.opened = JobState(sandbox, self.job.tamper.looked)
            self._carry_out(sandbox)
        finally:
            self.state.opened = None
            try:
                sandbox.close()
                self.way_out.collect(sandbox)
            finally:
                self.report.network = self.way_out.records()

    # --- carrying out

    def _carry_out(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.report.executor = ExecutorRecord(
            driver=sandbox.driver,
            isolation=sandbox.isolation,
            environment=sandbox.environment.name,
            environment_digest=sandbox.environment.digest,
            limits_enforced=getattr(sandbox, "limits_enforced", self.job.limits_enforced),
        )
        self.has_started = True
        self._prepare()
        self.stepper = Stepper(self.job, sandbox, self.checker, self.clock, self._emit, self.notebook)
        try:
            self._run_steps()
        except (Diverged, Failed, CheckError):
            self._undo_if_asked()
            self._final_checks()
            raise
        failing = self._final_checks()
        if failing is not None:
            raise check_failed(_("the scenario"), failing)

    def _prepare(self) -> None:
        files = dict(self.job.files)
        if self.job.scenario:
            files |= {target: self._from_package(source) for target, source in self.job.scenario.files.items()}
        for target, content in files.items():
            self.sandbox.write(target, content, 0o644)
        for service in self.job.scenario.services if self.job.scenario else ():
            self._start(service)

    def _from_package(self, source: str) -> bytes:
        path = self.job.package.folder / source
        if source not in self.job.package.files or path.is_symlink() or not path.is_file():
            raise Failed(
                "file_missing",
                _("The package has no file '{name}'.").format(name=source),
                _("Add it, or name another one under the scenario's 'files'."),
            )
        return path.read_bytes()

    def _start(self, service: Service) -> None:
        fill = self.checker.filler(service.run[0])
        env = {name: fill(value) for name, value in service.env.items()}
        self.sandbox.start([fill(word) for word in service.run], env=env)
        deadline = time.monotonic() + service.timeout_seconds
        pause, longest = READY_POLL_SECONDS
        while not self.checker.is_true(service.ready):
            if time.monotonic() > deadline:
                raise Failed(
                    "service_not_ready",
                    _("The service '{name}' was not ready within {n:g} s: {ready}").format(
                        name=service.run[0], n=service.timeout_seconds, ready=service.ready
                    ),
                    _("See whether it starts at all, and whether its 'ready' names the right port or file."),
                )
            self.clock.sleep(pause)
            pause = min(2 * pause, longest)

    def _run_steps(self) -> None:
        steps, records = self.manifest.steps, self.report.steps
        if self.job.undo == "only":
            steps, records = self.manifest.undo, [_record(step) for step in self.manifest.undo]
            self.report.undo = records
        for step, record in zip(steps, records, strict=True):
            self.stepper.run(step, record)
        if self.job.undo != "only":
            for name, expression in self.manifest.result.items():
                self.report.result[name] = self._result(name, expression)
        self.job.collect(self.sandbox)

    def _result(self, name: str, expression: str) -> Any:
        if self.job.is_hollow:
            return self.checker.value_or_null(expression, {})
        return self.checker.value("result", name, expression, {})

    def _undo_if_asked(self) -> None:
        """Put things back, as far as it goes: one step that cannot does not keep the later ones from trying."""
        if self.job.undo != "on_divergence" or not any(record.attempts for record in self.report.steps):
            return
        self.clock.restart()
        self.report.undo = [_record(step) for step in self.manifest.undo]
        for step, record in zip(self.manifest.undo, self.report.undo, strict=True):
            with contextlib.suppress(Diverged, Failed, CheckError):
                self.stepper.run(step, record)
        undone = [record for record in self.report.undo if record.status in ("diverged", "failed")]
        if undone:
            names = ", ".join(f"'{record.id}'" for record in undone)
            self.report.advice = _("Not everything was put back: see the undo steps {names}.").format(names=names)

    def _final_checks(self) -> CheckRecord | None:
        """After everything inside was killed, so that nothing can change what they look at. The first that fails."""
        if self.job.scenario is None:
            return None
        if self.notebook is not None:
            self.notebook.end_steps()
        self.sandbox.settle()
        expressions = self.job.scenario.expect
        records = [self.checker.check("scenario", expression, self.report.result) for expression in expressions]
        self.report.checks += records
        self.job.tamper.ended(lambda check: self.checker.check("scenario", check, self.report.result).holds)
        return next((record for record in records if not record.holds), None)

    def _emit(self, what: str, record: StepRecord) -> None:
        if what == "started":
            self.way_out.enter(record.id)
        else:
            self.way_out.enter("")
            self.way_out.collect(self.sandbox)
        self.job.on_event(what, masked_step(record, self.mask))


def _record(step: Step) -> StepRecord:
    return StepRecord(id=step.id, title=step.title or "", action=step.action)


def _internal_error() -> KeikenError:
    return KeikenError(
        "internal_error",
        _("The replayer itself had trouble."),
        _("Its log says more; the experience is not to blame."),
    )


def _interrupted() -> KeikenError:
    return KeikenError(
        "interrupted",
        _("The replay was interrupted by hand."),
        _("The report tells how far it came; what a step had changed is still there."),
    )


def _relevant(facts: Mapping[str, Any], conditions: Mapping[str, Any]) -> dict[str, Any]:
    """What the report tells of a machine: what was asked, and its kind; not all that could be probed."""
    general = ("os.", "locale.", "python.")
    return {key: value for key, value in facts.items() if key in conditions or key.startswith(general)}

"""Proving a scenario: replay it, compare with what it promises, and see that its checks could have failed."""

from __future__ import annotations

from dataclasses import replace

from keiken.checks import Evaluator
from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.package import Package
from keiken.package.manifest import Scenario
from keiken.replay.actions.base import POLICY_CODES
from keiken.replay.engine import replay
from keiken.replay.evidence import Evidence
from keiken.replay.report import Report, ScenarioVerdict, Verdict
from keiken.replay.request import Progress, Replay
from keiken.replay.state import LaterState
from keiken.sandbox.protocol import Driver, Environment, Limits, Sandbox

LIMIT_CODES = {"timeout", "out_of_memory", "output_limit"}
VIOLATION_CODES = POLICY_CODES | {"permission_missing"}
REFUSAL_CODES = {
    "condition_unmet",
    "parameter_invalid",
    "parameter_missing",
    "parameter_unknown",
    "secret_missing",
    "secret_unknown",
    "secret_too_short",
    "secret_invalid",
}
"""Refusals a scenario may promise. That there is no sandbox, say, proves nothing about an experience."""
WALL_FACTOR = 2
"""The wall time of everything, as a multiple of the time that commands may take together."""


def _silent(_what: str, _record: object) -> None:
    """No progress is wanted."""


class Sandboxes:
    """Opens sandboxes for one scenario, and remembers whether it did and what stood in the way."""

    def __init__(self, package: Package, driver: Driver, environment: Environment, limits: Limits) -> None:
        self.package, self.environment, self.limits = package, environment, limits
        self._driver = driver
        self.was_opened = False
        self.trouble: SandboxUnavailable | None = None

    def open(self) -> Sandbox:
        permissions = self.package.manifest.permissions
        try:
            sandbox = self._driver.open(
                environment=self.environment,
                package=self.package.folder,
                commands=permissions.commands,
                network=permissions.network,
                limits=self.limits,
            )
        except SandboxUnavailable as error:
            self.trouble = error
            raise
        self.was_opened = True
        return sandbox


def prove(
    package: Package,
    scenario: Scenario,
    *,
    driver: Driver,
    environment: Environment,
    limits: Limits | None = None,
    on_event: Progress = _silent,
) -> ScenarioVerdict:
    """The verdict of one scenario in one environment. Raises SandboxUnavailable; that is nobody's verdict."""
    sandboxes = Sandboxes(package, driver, environment, limits or Limits())
    kept: list[Evidence] = []
    with Evaluator(LaterState()) as evaluator:
        job = replace(job_of(scenario, sandboxes, on_event=on_event), evaluator=evaluator)
        report = replayed(replace(job, on_evidence=kept.append), sandboxes)
        verdict, reason = judge(scenario, report, was_opened=sandboxes.was_opened)
        caught = None
        if verdict == "passed" and scenario.outcome == "succeeded":
            hollow = replayed(replace(job, is_hollow=True, on_event=_silent), sandboxes)
            verdict, reason, caught = judge_hollow(hollow)
    return ScenarioVerdict(
        scenario=scenario.name,
        verdict=verdict,
        reason=reason,
        report=report,
        evidence=kept[0],
        hollow_caught=caught,
    )


def rerun(
    package: Package,
    scenario: Scenario,
    *,
    driver: Driver,
    environment: Environment,
    limits: Limits | None = None,
    evaluator: Evaluator | None = None,
) -> ScenarioVerdict:
    """An identical run of a scenario that was proven, only to see whether it ends alike. Raises SandboxUnavailable."""
    sandboxes = Sandboxes(package, driver, environment, limits or Limits())
    kept: list[Evidence] = []
    job = replace(job_of(scenario, sandboxes), evaluator=evaluator, on_evidence=kept.append)
    report = replayed(job, sandboxes)
    verdict, reason = judge(scenario, report, was_opened=sandboxes.was_opened)
    return ScenarioVerdict(scenario=scenario.name, verdict=verdict, reason=reason, report=report, evidence=kept[0])


def job_of(scenario: Scenario, sandboxes: Sandboxes, *, on_event: Progress = _silent) -> Replay:
    """The replay of one scenario where these sandboxes are opened."""
    return Replay(
        package=sandboxes.package,
        executor=sandboxes.open,
        facts={**sandboxes.environment.facts, **scenario.facts},
        scenario=scenario,
        on_event=on_event,
        wall_seconds=sandboxes.limits.wall_seconds * WALL_FACTOR,
    )


def replayed(job: Replay, sandboxes: Sandboxes) -> Report:
    """The report of a replay. Raises SandboxUnavailable; that is no report."""
    report = replay(job)
    if sandboxes.trouble is not None:
        raise sandboxes.trouble
    return report


def judge_hollow(hollow: Report) -> tuple[Verdict, str, bool | None]:
    """Verdict, reason and whether the checks saw through a run in which no step was carried out.

    Only a check that is false counts as seeing through: a service that did not start the second time proves nothing.
    """
    if hollow.outcome == "succeeded":
        reason = _("Its checks hold although no step was carried out, so they prove nothing.")
        return "vacuous", reason, False
    if hollow.outcome == "diverged":
        return "passed", _("All steps and checks held, and without the steps they did not."), True
    reason = _("Whether its checks can fail could not be found out: {reason}").format(reason=hollow.reason)
    return "error", reason, None


def judge(scenario: Scenario, report: Report, *, was_opened: bool) -> tuple[Verdict, str]:
    """Verdict and reason from what a scenario promises and what its replay did."""
    if report.outcome == "error":
        return "error", report.reason
    if report.code == "network_not_available":
        return "inconclusive", report.reason
    if scenario.outcome == "refused":
        return _judge_refusal(scenario, report, was_opened)
    if report.outcome == "refused":
        unmet: Verdict = "precondition_unmet" if report.code == "condition_unmet" else "failed"
        return ("policy_violation" if report.code in VIOLATION_CODES else unmet), report.reason
    if report.code in LIMIT_CODES:
        return "limit_exceeded", report.reason
    if report.code in VIOLATION_CODES:
        return "policy_violation", report.reason
    if report.outcome != scenario.outcome:
        return "failed", report.reason or _("It should have {promised} and {did}.").format(
            promised=scenario.outcome, did=report.outcome
        )
    if scenario.outcome == "diverged":
        return _judge_divergence(scenario, report)
    return "passed", _("All steps and checks held.")


def _judge_refusal(scenario: Scenario, report: Report, was_opened: bool) -> tuple[Verdict, str]:
    if report.code == "condition_unmet" and scenario.facts and not _is_about(report, set(scenario.facts)):
        # The facts that the scenario pretends are not what it was refused for.
        return "precondition_unmet", report.reason
    if report.outcome == "refused" and not was_opened and report.code in REFUSAL_CODES:
        return "passed", _("Refused before its first step, as it must: {reason}").format(reason=report.reason)
    return "failed", _("It should have been refused before its first step, but it {did}. {reason}").format(
        did=report.outcome, reason=report.reason
    )


def _is_about(report: Report, keys: set[str]) -> bool:
    unmet = {record.condition.split(" ")[0] for record in report.conditions if record.status != "holds"}
    return bool(unmet & keys)


def _judge_divergence(scenario: Scenario, report: Report) -> tuple[Verdict, str]:
    stopped = next((step.id for step in report.steps if step.status == "diverged"), None)
    if scenario.at is not None and stopped != scenario.at:
        return "failed", _("It should have stopped at '{promised}', but stopped at '{did}'. {reason}").format(
            promised=scenario.at, did=stopped, reason=report.reason
        )
    if failing := next((check for check in report.checks if not check.holds), None):
        return "failed", _("It stopped as it must, but afterwards this does not hold: {check}").format(
            check=failing.expression
        )
    return "passed", _("It stopped where it must: {reason}").format(reason=report.reason)

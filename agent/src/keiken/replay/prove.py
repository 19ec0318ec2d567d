"""Proving a scenario: replay it, compare with what it promises, and see that its checks could have failed."""

from __future__ import annotations

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.package import Package
from keiken.package.manifest import Scenario
from keiken.replay.engine import Progress, Replay, replay
from keiken.replay.report import Report, ScenarioVerdict, Verdict
from keiken.sandbox.protocol import Driver, Environment, Limits, Sandbox

LIMIT_CODES = {"timeout", "out_of_memory", "output_limit"}
VIOLATION_CODES = {"command_not_permitted", "write_not_permitted", "permission_missing"}
REFUSAL_CODES = {"condition_unmet", "parameter_invalid", "parameter_missing", "parameter_unknown", "secret_missing"}
"""Refusals a scenario may promise. That there is no sandbox, say, proves nothing about an experience."""


def _silent(_what: str, _record: object) -> None:
    """No progress is wanted."""


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
    opened: list[Sandbox] = []
    trouble: list[SandboxUnavailable] = []

    def open_sandbox() -> Sandbox:
        try:
            sandbox = driver.open(
                environment=environment,
                package=package.folder,
                commands=package.manifest.permissions.commands,
                network=package.manifest.permissions.network,
                limits=limits or Limits(),
            )
        except SandboxUnavailable as error:
            trouble.append(error)
            raise
        opened.append(sandbox)
        return sandbox

    job = Replay(
        package=package,
        executor=open_sandbox,
        facts={**environment.facts, **scenario.facts},
        scenario=scenario,
        on_event=on_event,
    )
    report = replay(job)
    if trouble:
        raise trouble[0]
    verdict, reason = judge(scenario, report, was_opened=bool(opened))
    if verdict != "passed" or scenario.outcome != "succeeded":
        return ScenarioVerdict(scenario=scenario.name, verdict=verdict, reason=reason, report=report)
    hollow = replay(Replay(package=package, executor=open_sandbox, facts=job.facts, scenario=scenario, is_hollow=True))
    if trouble:
        raise trouble[0]
    if hollow.outcome == "succeeded":
        verdict, reason = "vacuous", _("Its checks hold although no step was carried out, so they prove nothing.")
    return ScenarioVerdict(
        scenario=scenario.name,
        verdict=verdict,
        reason=reason,
        report=report,
        hollow_caught=hollow.outcome != "succeeded",
    )


def judge(scenario: Scenario, report: Report, *, was_opened: bool) -> tuple[Verdict, str]:
    """Verdict and reason from what a scenario promises and what its replay did."""
    if report.outcome == "error":
        return "error", report.reason
    if report.code == "network_not_available":
        return "inconclusive", report.reason
    if scenario.outcome == "refused":
        return _judge_refusal(report, was_opened)
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


def _judge_refusal(report: Report, was_opened: bool) -> tuple[Verdict, str]:
    if report.outcome == "refused" and not was_opened and report.code in REFUSAL_CODES:
        return "passed", _("Refused before its first step, as it must: {reason}").format(reason=report.reason)
    return "failed", _("It should have been refused before its first step, but it {did}. {reason}").format(
        did=report.outcome, reason=report.reason
    )


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

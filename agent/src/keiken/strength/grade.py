"""Grading checks: every scenario again with one wrong effect at a time, in a sandbox of its own each.

Mutation testing (DeMillo, Lipton, Sayward 1978) of procedures: what is mutated are effects, what is graded are checks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from keiken.checks import Evaluator
from keiken.package import Package
from keiken.package.manifest import Scenario
from keiken.replay.prove import Sandboxes, job_of, judge, replayed
from keiken.replay.report import Report, ScenarioVerdict
from keiken.replay.request import Replay
from keiken.replay.state import LaterState
from keiken.sandbox.protocol import Driver, Environment, Limits
from keiken.strength.apply import Spoiler
from keiken.strength.mutants import key, mutants_of, sample
from keiken.strength.observe import Observer, Shadows
from keiken.strength.propose import Candidate, by_place, candidates
from keiken.strength.record import MutantRecord, Strength

VOID_VERDICTS = {"error", "inconclusive", "precondition_unmet"}
PATIENCE_SECONDS = 20.0
Progress = Callable[[int, int], None]
"""Called with how many mutants were tried and how many there are to try so far."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What grading may cost. Above ``mutants`` a sample is tried; after ``seconds`` the rest stays ``untried``."""

    mutants: int = 60
    seconds: float = 300


def grade(
    package: Package,
    proven: Sequence[ScenarioVerdict],
    *,
    driver: Driver,
    environment: Environment,
    limits: Limits | None = None,
    bounds: Bounds | None = None,
    on_progress: Progress = lambda _tried, _all: None,
) -> Strength:
    """How many wrong effects the checks notice. ``proven`` are the scenarios' verdicts in this environment.

    A mutant is tried in each scenario that passed until one catches it; scenarios that promise success come first.
    Raises SandboxUnavailable.
    """
    passed = {verdict.scenario for verdict in proven if verdict.verdict == "passed"}
    scenarios = [scenario for scenario in package.manifest.scenarios if scenario.name in passed]
    with Evaluator(LaterState()) as evaluator:
        grading = _Grading(package, driver, environment, limits or Limits(), bounds or Bounds(), on_progress, evaluator)
        for outcome in ("succeeded", "diverged"):
            for scenario in scenarios:
                if scenario.outcome == outcome:
                    grading.try_in(scenario)
    return grading.strength()


@dataclass
class _Trial:
    """One mutant in one scenario that did not catch it, and what proposed checks said of it."""

    mutant: MutantRecord
    found: list[Candidate]
    spoiler: Spoiler


@dataclass
class _Grading:
    package: Package
    driver: Driver
    environment: Environment
    limits: Limits
    bounds: Bounds
    on_progress: Progress
    evaluator: Evaluator
    started: float = field(default_factory=time.monotonic)
    records: dict[str, MutantRecord] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    steps_seen: set[str] = field(default_factory=set)
    ungraded: list[str] = field(default_factory=list)
    tried: int = 0

    def strength(self) -> Strength:
        return Strength(
            made=len(self.made),
            mutants=list(self.records.values()),
            ungraded=self.ungraded,
            seconds=round(time.monotonic() - self.started, 3),
        )

    def try_in(self, scenario: Scenario) -> None:
        sandboxes = Sandboxes(self.package, self.driver, self.environment, self.limits)
        job = replace(job_of(scenario, sandboxes), evaluator=self.evaluator)
        observer = Observer()
        report = replayed(replace(job, tamper=observer), sandboxes)
        if judge(scenario, report, was_opened=sandboxes.was_opened)[0] != "passed":
            self.ungraded.append(scenario.name)
            return
        # A mutant may hang; it gets ample time, but not the hour that a slow procedure may take.
        patience = min(job.wall_seconds, PATIENCE_SECONDS + 10 * report.duration_seconds)
        completed = {step.id for step in report.steps if step.status == "succeeded"}
        effects = [effect for effect in observer.effects if effect.step.id in completed]
        if scenario.outcome == "diverged":
            # What a successful run is graded on would only be told apart here by where a later step stops.
            effects = [effect for effect in effects if effect.step.id not in self.steps_seen]
        self.steps_seen |= {effect.step.id for effect in effects}
        by_step = {effect.step.id: effect for effect in effects}
        survivors = []
        for mutant in self._chosen(mutants_of(self.package.manifest, scenario, effects)):
            if time.monotonic() - self.started > self.bounds.seconds:
                break
            effect = by_step[mutant.step]
            found = candidates(mutant, effect, observer.contents, scenario)
            spoiler = Spoiler(mutant, effect, *by_place(found))
            spoiled = replayed(replace(job, tamper=spoiler, wall_seconds=patience), sandboxes)
            self._judge(mutant, scenario, spoiled, spoiler)
            if mutant.status == "survived":
                survivors.append(_Trial(mutant, found, spoiler))
            self.tried += 1
            self.on_progress(self.tried, len(self.records))
        self._propose(job, sandboxes, survivors)

    def _chosen(self, mutants: Sequence[MutantRecord]) -> list[MutantRecord]:
        """Those not caught yet, within the limit over all scenarios."""
        new = [mutant for mutant in mutants if key(mutant) not in self.made]
        self.made |= {key(mutant) for mutant in new}
        chosen = sample(new, self.bounds.mutants - len(self.records), self.package.digest)
        again = [
            mutant for mutant in mutants if key(mutant) in self.records and self.records[key(mutant)].status != "caught"
        ]
        self.records |= {key(mutant): mutant for mutant in chosen}
        return [*chosen, *again]

    def _judge(self, mutant: MutantRecord, scenario: Scenario, report: Report, spoiler: Spoiler) -> None:
        verdict, reason = judge(scenario, report, was_opened=True)
        if verdict in VOID_VERDICTS or not spoiler.was_applied:
            mutant.status = "void"
        elif verdict == "passed":
            mutant.status = "survived"
        else:
            mutant.status, mutant.caught_by = "caught", _noticed(report) or reason
        known = self.records[key(mutant)]
        if known is mutant or mutant.status == "caught" or known.status in ("untried", "void"):
            self.records[key(mutant)] = mutant

    def _propose(self, job: Replay, sandboxes: Sandboxes, survivors: Sequence[_Trial]) -> None:
        """Checks that hold in one more run without any mutant, and did not with it."""
        if not survivors:
            return
        at_steps: dict[str, list[str]] = {}
        at_end: list[str] = []
        for trial in survivors:
            here, end = by_place(trial.found)
            at_steps.setdefault(trial.mutant.step, []).extend(here)
            at_end += end
        shadows = Shadows(at_steps, at_end)
        replayed(replace(job, tamper=shadows), sandboxes)
        for trial in survivors:
            for one in trial.found:
                asked_at = trial.mutant.step if one.place == "step" else ""
                was_asked = trial.spoiler.reached_step if one.place == "step" else trial.spoiler.reached_end
                if (
                    (asked_at, one.check) in shadows.holding
                    and was_asked
                    and ((asked_at, one.check) not in trial.spoiler.holding)
                ):
                    trial.mutant.proposal, trial.mutant.place = one.check, one.place
                    break


def _noticed(report: Report) -> str:
    """The check that was false, or the step that could not go on."""
    for step in report.steps:
        if step.status in ("diverged", "failed"):
            failing = next((check for check in step.checks if not check.holds), None)
            return f"{step.id}: {failing.expression if failing else report.code}"
    return next((check.expression for check in report.checks if not check.holds), "")

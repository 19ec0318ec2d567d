"""Carrying it out: the baseline, every flip, pairs where an effect showed; each failure is run a second time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keiken.conditions import match, parse
from keiken.errors import SandboxUnavailable
from keiken.frontier.judge import judged
from keiken.frontier.places import Places, Unflippable
from keiken.frontier.plan import (
    DAYS,
    TIME_ZONES,
    locale_flips,
    pairs,
    scenarios_of,
    tool_flips,
    tools_of,
)
from keiken.frontier.record import Flip, Frontier, NotRun, Run
from keiken.i18n import _
from keiken.package import Package
from keiken.replay.prove import Sandboxes, job_of, judge, replayed
from keiken.sandbox.protocol import Driver, Environment, Limits

SECONDS = 600
PAIRS = 8
KEPT_FACTS = ("os.id", "os.version", "os.codename", "locale.language", "locale.territory", "locale.encoding")
VOID = ("error", "inconclusive", "limit_exceeded")
"""Verdicts of a run that tell nothing about the place."""
Told = Callable[[int, int], None]


def _silent(_done: int, _all: int) -> None:
    """Nobody watches."""


def explore(
    package: Package,
    *,
    driver: Driver,
    environment: Environment,
    others: Sequence[Environment] = (),
    seconds: float = SECONDS,
    on_progress: Told = _silent,
) -> Frontier:
    """Try the package around this environment; ``others`` are further environments, for other releases.

    Raises SandboxUnavailable. What cannot be run here is listed with the reason, as is what time was too short for.
    """
    apart = {one.name: one for one in others if one.name != environment.name}
    with Places(environment, apart, tools_of(package), driver) as places:
        explorer = _Explorer(package, places, driver, time.monotonic() + seconds, on_progress)
        return explorer.explored()


@dataclass
class _Explorer:
    package: Package
    places: Places
    driver: Driver
    deadline: float
    on_progress: Told
    runs: list[Run] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)
    done: int = 0

    def explored(self) -> Frontier:
        started = time.monotonic()
        base = self.places.base
        if not scenarios_of(self.package, base.name):
            reason = _("No scenario carries out steps in {environment}.").format(environment=base.name)
            return Frontier(not_run=[NotRun(axis="release", value=base.name, reason=reason)])
        flips = self._flips()
        plan: list[list[Flip]] = [[], *([flip] for flip in flips)]
        for number, place in enumerate(plan):
            self._try(place)
            self.on_progress(number + 1, len(plan))
        around = self._inside()
        for flip in flips if around else []:
            if flip.axis not in ("release", "locale"):
                self._try([*around, flip])
        single = [run for run in self.runs if len(run.flips) == 1]
        effects = [run.flips[0] for run in single if run.bare != self.runs[0].bare]
        near = [flip for flip in flips if flip.axis in ("locale", "time_zone", "date")]
        for pair in pairs([flip for flip in effects if flip.axis != "release"], near, PAIRS):
            if not any(run.flips == pair for run in self.runs):
                self._try(pair)
        conditions = parse(self.package.manifest.conditions)
        found = judged(conditions, self.package.manifest.conditions, self.runs, self.not_run)
        return found.model_copy(update={"seconds": round(time.monotonic() - started, 2)})

    def _inside(self) -> list[Flip]:
        """The locale in which the conditions hold, where they do not as it is: then flips are told apart there."""
        if not self.runs or not self.runs[0].unmet:
            return []
        inside = (run.flips for run in self.runs if run.axes == {"locale"} and run.outcome == "passed")
        return next(inside, [])

    def _flips(self) -> list[Flip]:
        base, manifest = self.places.base, self.package.manifest
        language = manifest.conditions.get("locale.language")
        wanted = [language] if isinstance(language, str) else language if isinstance(language, list) else []
        flips = locale_flips(base.facts, [str(word) for word in wanted])
        flips += [Flip(axis="time_zone", value=zone) for zone in TIME_ZONES]
        flips += [Flip(axis="date", value=str(days)) for days in DAYS]
        flips += tool_flips(base.root, tools_of(self.package))
        flips += [Flip(axis="release", value=name) for name in self.places.others]
        if not self.places.others:
            reason = _("No other environment is built here.")
            self.not_run.append(NotRun(axis="release", value="", reason=reason))
        return flips

    def _try(self, flips: list[Flip]) -> None:
        if time.monotonic() > self.deadline:
            self._skip(flips, _("The time was up before it was its turn."))
            return
        try:
            with self.places.at(flips) as place:
                self._lacks_nothing(flips, place)
                self.runs.append(self._run(flips, place))
        except Unflippable as trouble:
            self._skip(flips, str(trouble))
        except SandboxUnavailable as trouble:
            # Where environments are images, there is none of one that was changed just now.
            if not flips or trouble.code != "environment_image_missing":
                raise
            self._skip(flips, trouble.message)

    def _skip(self, flips: list[Flip], reason: str) -> None:
        for flip in flips[-1:] or [Flip(axis="release", value=self.places.base.name)]:
            missing = NotRun(axis=flip.axis, value=flip.value, reason=reason)
            if missing not in self.not_run:
                self.not_run.append(missing)

    def _lacks_nothing(self, flips: Sequence[Flip], place: Environment) -> None:
        """A failure in another environment shall be its release's doing, not that of a tool that is not there."""
        if not any(flip.axis == "release" for flip in flips):
            return
        base = self.places.base.facts
        for name in self.places.tools:
            if base.get(f"tool.{name}") is not None and place.facts.get(f"tool.{name}") is None:
                raise Unflippable(_("It has no {tool}.").format(tool=name))

    def _run(self, flips: list[Flip], place: Environment) -> Run:
        manifest = self.package.manifest
        findings = match(parse(manifest.conditions), place.facts).findings
        unmet = [finding.condition.key for finding in findings if finding.status != "holds"]
        bare, reason = self._outcome(place)
        if bare == "failed":
            # A package that fails by chance would make up a dependence.
            again, _reason = self._outcome(place)
            if again != bare:
                raise Unflippable(_("Two identical runs contradict each other, so they tell nothing."))
        keys = {*manifest.conditions, *KEPT_FACTS, *(f"tool.{name}" for name in self.places.tools)}
        facts: dict[str, Any] = {key: place.facts[key] for key in sorted(keys) if key in place.facts}
        return Run(
            flips=flips,
            environment=place.name,
            environment_digest=place.digest,
            outcome="refused" if unmet else bare,
            bare=bare,
            reason=reason,
            unmet=unmet,
            facts=facts,
        )

    def _outcome(self, place: Environment) -> tuple[Any, str]:
        """``passed`` or ``failed`` without the package's conditions, and why. Raises Unflippable."""
        bare = replace(self.package, manifest=self.package.manifest.model_copy(update={"conditions": {}}))
        for scenario in scenarios_of(self.package, self.places.base.name):
            sandboxes = Sandboxes(bare, self.driver, place, Limits())
            report = replayed(job_of(scenario, sandboxes), sandboxes)
            verdict, reason = judge(scenario, report, was_opened=sandboxes.was_opened)
            if verdict in VOID:
                raise Unflippable(reason)
            if verdict != "passed":
                return "failed", f"{scenario.name}: {reason}"
        return "passed", ""


def others_by_release(environment: Environment, candidates: Mapping[str, Environment]) -> list[Environment]:
    """Of the candidates those of another system or release, one for each."""

    def release(one: Environment) -> tuple[Any, Any]:
        return one.facts.get("os.id"), one.facts.get("os.version")

    found: dict[tuple[Any, Any], Environment] = {}
    for name in sorted(candidates, key=lambda name: (not name.startswith(environment.name[:6]), name)):
        one = candidates[name]
        if release(one) != release(environment):
            found.setdefault(release(one), one)
    return list(found.values())

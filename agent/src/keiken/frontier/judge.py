"""What the runs say of each condition, and what they say that nobody declared. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keiken.conditions.predicates import Condition
from keiken.frontier.propose import Observation, proposals
from keiken.frontier.record import Axis, ConditionVerdict, Dependence, Flip, Frontier, NotRun, Run
from keiken.i18n import _

UNFLIPPED = ("os.family", "os.architecture", "os.libc", "os.kernel", "os.init", "os.id")
"""Of these a release has the same."""


def judged(
    conditions: Sequence[Condition], declared: Mapping[str, Any], runs: Sequence[Run], not_run: Sequence[NotRun]
) -> Frontier:
    """The verdicts over these runs. ``declared`` is ``conditions`` as it stands in experience.yaml."""
    verdicts = [_verdict(condition, conditions, runs) for condition in conditions]
    return Frontier(
        runs=list(runs),
        not_run=list(not_run),
        conditions=verdicts,
        dependences=dependences(conditions, runs),
        proposals=proposals(declared, [seen(run) for run in runs if len(run.flips) < 2]),
    )


def axis_of(key: str) -> Axis | None:
    """What has to be flipped to come to the other side of a condition on this fact."""
    if key.startswith("locale."):
        return "locale"
    if key.startswith("tool.") or key == "python.version":
        return "tool"
    return "release" if key.startswith("os.") else None


def concerns(key: str, run: Run) -> bool:
    """Whether the run differs from the baseline in what the condition speaks of."""
    return any(_speaks_of(key, flip) for flip in run.flips)


def seen(run: Run) -> Observation:
    name = ", ".join(flip.value for flip in run.flips)
    place = f"{run.environment} ({name})" if name else run.environment
    return Observation(
        facts=run.facts, passed=run.bare == "passed", place=place, axes=tuple(sorted(run.axes)), tools=_tools(run)
    )


def _tools(run: Run) -> tuple[str, ...]:
    return tuple(flip.value for flip in run.flips if flip.axis == "tool")


def _verdict(condition: Condition, conditions: Sequence[Condition], runs: Sequence[Run]) -> ConditionVerdict:
    key = condition.key
    single = [(number, run) for number, run in enumerate(runs) if len(run.flips) < 2]
    inside = [(number, run) for number, run in single if not run.unmet]
    outside = [(number, run) for number, run in single if run.unmet == [key] and key in run.facts]
    beside = [(n, run) for n, run in inside if run.bare == "failed" and (concerns(key, run) or not run.flips)]
    through = [(n, run) for n, run in outside if run.bare == "passed"]
    stopped = [(n, run) for n, run in outside if run.bare == "failed"]
    passing = [(n, run) for n, run in inside if run.bare == "passed"]
    found: dict[str, Any] = {"key": key, "condition": condition.text()}
    found["inside"] = [n for n, _run in [*passing, *beside]]
    found["outside"] = [n for n, _run in outside]
    if through:
        words = _("It also passes where this does not hold: {fact}.").format(fact=_shown(key, through[0][1]))
        return ConditionVerdict(verdict="contradicted", reason=words, **found)
    if beside and (passing or any(concerns(key, run) for _n, run in beside)):
        words = _("It fails although this holds: {reason}").format(reason=beside[0][1].reason)
        return ConditionVerdict(verdict="contradicted", reason=words, **found)
    if not passing:
        return ConditionVerdict(verdict="unknown", reason=_("No place in which all conditions hold passed."), **found)
    telling = [run for _n, run in stopped if run.facts[key] is not None or condition.operator == "exists"]
    if telling:
        fact = _shown(key, telling[0])
        words = _("It passes where this holds, and fails with {fact}.").format(fact=fact)
        return ConditionVerdict(verdict="proved", reason=words, **found)
    if stopped:
        words = _("Without it, it fails; whether the bound is right was not seen: no other version could be run.")
        return ConditionVerdict(verdict="supported", reason=words, **found)
    words = _("It passes where this holds; no place where it alone does not hold could be run.")
    return ConditionVerdict(verdict="supported", reason=words, **found)


def _shown(key: str, run: Run) -> str:
    value = run.facts.get(key)
    return f"{key} = {value}" if value is not None else _("{key} not there").format(key=key)


def dependences(conditions: Sequence[Condition], runs: Sequence[Run]) -> list[Dependence]:
    """Flips of what no condition speaks of, after which it fails although all conditions hold as before.

    They are told apart from the first place that passed with all conditions holding; where there is none, what fails
    depends on nothing that was seen.
    """
    reference = next((n for n, run in enumerate(runs) if run.outcome == "passed" and len(run.flips) < 2), None)
    if reference is None:
        return []
    base = runs[reference].flips
    found = []
    for number, run in enumerate(runs):
        if run.outcome != "failed" or len(run.flips) != len(base) + 1 or run.flips[: len(base)] != base:
            continue
        flip = run.flips[-1]
        if not any(_speaks_of(condition.key, flip) for condition in conditions):
            found.append(
                Dependence(axis=flip.axis, value=flip.value, passed=reference, failed=number, reason=run.reason)
            )
    return found


def _speaks_of(key: str, flip: Flip) -> bool:
    """A condition on the family of systems says nothing about the release; only of what a flip changes can it be said
    that it was wrong.
    """
    return axis_of(key) == flip.axis and key not in UNFLIPPED and (flip.axis != "tool" or flip.value == _tool(key))


def _tool(key: str) -> str:
    return "python3" if key == "python.version" else key.partition(".")[2]

"""The condition that agrees with everything seen: what was declared, made narrower or wider. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keiken.conditions import versions
from keiken.conditions.predicates import Condition, parse
from keiken.conditions.vocabulary import kind
from keiken.errors import PackageError
from keiken.frontier.record import Proposal

DROPPED = None
"""In place of a condition: it is taken away."""
CANDIDATES = ("locale.language", "locale.encoding", "os.version")
"""Of conditions nobody has declared, these are thought of, and whether a tool is there."""
EVIDENCE_LIMIT = 6


@dataclass(frozen=True)
class Observation:
    """One end in one place. ``axes`` are what was flipped there; of a machine in the field that is not known."""

    facts: Mapping[str, Any]
    passed: bool
    place: str
    axes: tuple[str, ...] = ()
    tools: tuple[str, ...] = field(default=())


def proposals(declared: Mapping[str, Any], seen: Sequence[Observation]) -> list[Proposal]:
    """One for each key whose condition disagrees with what was seen and can be made to agree.

    Nothing is proposed that would not tell every pass from every failure it is about: a guess is no evidence.
    """
    conditions = parse(declared)
    found = [one for condition in conditions if (one := _mended(condition, declared, conditions, seen))]
    after = dict(declared)
    for one in found:
        after = changed_conditions(after, one)
    conditions = parse(after)
    failing = [one for one in seen if not one.passed and _admitted(conditions, one.facts)]
    for key in _undeclared(declared, failing):
        if (added := _added(key, conditions, seen)) is not None:
            found.append(added)
            break  # one cause is enough for the same failures; the next run shows whether there is another
    return found


def changed_conditions(declared: Mapping[str, Any], proposal: Proposal) -> dict[str, Any]:
    """``conditions`` of experience.yaml with the proposal taken over."""
    rest = {key: value for key, value in declared.items() if key != proposal.key}
    return rest if proposal.value is DROPPED else {**rest, proposal.key: proposal.value}


def _admitted(conditions: Iterable[Condition], facts: Mapping[str, Any]) -> bool:
    return all(condition.evaluate(facts) == "holds" for condition in conditions)


def _mended(
    condition: Condition, declared: Mapping[str, Any], conditions: Sequence[Condition], seen: Sequence[Observation]
) -> Proposal | None:
    others = [one for one in conditions if one.key != condition.key]
    about = [one for one in seen if condition.key in one.facts and _admitted(others, one.facts)]
    about = [one for one in about if _may_be(condition.key, one)]
    wrong_out = [one for one in about if one.passed and condition.evaluate(one.facts) == "fails"]
    wrong_in = [one for one in about if not one.passed and condition.evaluate(one.facts) == "holds"]
    wrong_in = [one for one in wrong_in if _separates(condition.key, one, about)]
    if not wrong_out and not wrong_in:
        return None
    good = [one.facts[condition.key] for one in about if one.passed]
    bad = [one.facts[condition.key] for one in about if not one.passed]
    for value in _candidates(condition, good, bad):
        agrees = bool(good) and not bad if value is DROPPED else _agrees(condition.key, value, about)
        if agrees and value != declared[condition.key]:
            direction = "wider" if wrong_out else "narrower"
            return _proposal(condition.key, direction, value, [*wrong_out, *wrong_in])
    return None


def _separates(key: str, failing: Observation, about: Sequence[Observation]) -> bool:
    """Whether this fact can be why: nothing passed with the same value."""
    return not any(one.passed and _same(one.facts[key], failing.facts[key]) for one in about)


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _agrees(key: str, value: Any, about: Sequence[Observation]) -> bool:
    try:
        (condition,) = parse({key: value})
    except PackageError:
        return False
    return all((condition.evaluate(one.facts) == "holds") == one.passed for one in about)


def _candidates(condition: Condition, good: Sequence[Any], bad: Sequence[Any]) -> Iterable[Any]:
    """Values to think of, the nearest to what is declared first. DROPPED only when nothing failed."""
    present = [value for value in good if isinstance(value, str | int | float)]
    match condition.operator:
        case "equals" | "any_of":
            wanted = list(condition.value) if isinstance(condition.value, tuple) else [condition.value]
            spoiled = [str(value).casefold() for value in bad]
            kept = [value for value in wanted if str(value).casefold() not in spoiled]
            known = {str(value).casefold() for value in kept}
            kept += [value for value in dict.fromkeys(present) if str(value).casefold() not in known]
            if kept:
                yield kept if len(kept) > 1 else kept[0]
        case "none_of":
            passed = {str(value).casefold() for value in present}
            kept = [value for value in condition.value if str(value).casefold() not in passed]
            kept += [value for value in dict.fromkeys(bad) if value not in kept and isinstance(value, str | int)]
            if kept:
                yield {"not": kept}
        case "range":
            yield from _ranges(condition, present, [value for value in bad if value is not None])
    if None not in bad:
        yield DROPPED
    elif None not in good:
        yield {"exists": True}


def _ranges(condition: Condition, good: Sequence[Any], bad: Sequence[Any]) -> Iterable[str]:
    """The declared range with its bounds moved to the outermost version that passed, or in front of what failed."""
    if not good or kind(condition.key) not in ("version", None):
        return
    order = sorted((number, str(value)) for value in good if (number := versions.normal_version(str(value))))
    if not order:
        return
    least, most = order[0], order[-1]
    clauses = dict(versions.clauses(condition.value))
    lower = next((name for name in (">=", ">") if name in clauses), None)
    upper = next((name for name in ("<=", "<") if name in clauses), None)
    moved = dict(clauses)
    if lower and not versions.in_range(least[1], f"{lower}{clauses[lower]}"):
        moved.pop(lower)
        moved[">="] = str(least[0])
    if upper and not versions.in_range(most[1], f"{upper}{clauses[upper]}"):
        moved.pop(upper)
        moved["<="] = str(most[0])
    for value in bad:
        number = versions.normal_version(str(value))
        if number is not None and number > most[0]:
            moved = {name: text for name, text in moved.items() if not name.startswith("<")} | {"<=": str(most[0])}
        elif number is not None and number < least[0]:
            moved = {name: text for name, text in moved.items() if not name.startswith(">")} | {">=": str(least[0])}
    yield ",".join(f"{name}{text}" for name, text in moved.items())


def _undeclared(declared: Mapping[str, Any], failing: Sequence[Observation]) -> list[str]:
    """Keys that may be why: of the tool that was taken away, else of what differs most plainly."""
    tools = [f"tool.{name}" for one in failing for name in one.tools]
    keys = [*dict.fromkeys(tools), *CANDIDATES]
    return [key for key in keys if key not in declared]


def _added(key: str, conditions: Sequence[Condition], seen: Sequence[Observation]) -> Proposal | None:
    about = [one for one in seen if key in one.facts and _admitted(conditions, one.facts) and _may_be(key, one)]
    failing = [one for one in about if not one.passed and _separates(key, one, about)]
    good = list(dict.fromkeys(one.facts[key] for one in about if one.passed and isinstance(one.facts[key], str)))
    if not failing or not good:
        return None
    value: Any = {"exists": True} if key.startswith("tool.") else good if len(good) > 1 else good[0]
    if not _agrees(key, value, [one for one in about if one.passed or one in failing]):
        return None
    return _proposal(key, "narrower", value, failing)


def _may_be(key: str, one: Observation) -> bool:
    """Of a place that was flipped in something else, the failure is that flip's."""
    if not one.axes or one.passed:
        return True
    if key.startswith("tool.") or key == "python.version":
        return (key.partition(".")[2] if key.startswith("tool.") else "python3") in one.tools
    return ("locale" if key.startswith("locale.") else "release") in one.axes


def _proposal(key: str, direction: Any, value: Any, evidence: Sequence[Observation]) -> Proposal:
    text = parse({key: value})[0].text() if value is not DROPPED else key
    places = [f"{one.place}: {key} = {one.facts[key]}: {'passed' if one.passed else 'failed'}" for one in evidence]
    kept = list(dict.fromkeys(places))[:EVIDENCE_LIMIT]
    return Proposal(key=key, direction=direction, value=value, text=text, evidence=kept)

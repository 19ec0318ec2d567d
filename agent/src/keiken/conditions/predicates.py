"""What a condition says of a fact: equal to, one of, none of, within a range, present.

A fact that was never probed leaves a condition ``unknown``. One that was probed and is not there (None) satisfies
nothing but ``{exists: false}``: whoever cannot show it, cannot show that it is harmless either.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from keiken.conditions import versions
from keiken.conditions.vocabulary import Fact, key_problem, kind
from keiken.errors import PackageError
from keiken.i18n import _

Status = Literal["holds", "fails", "unknown"]
Operator = Literal["equals", "any_of", "none_of", "range", "exists"]

TEXT_LIMIT = 200
ITEMS_LIMIT = 50
CANONICAL_BYTES_LIMIT = 2_000
"""A canonical condition is the key of a database index, which takes no more than some 2,700 bytes."""
_ORDER = ("==", "~=", ">=", ">", "<=", "<", "!=")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.A)


@dataclass(frozen=True, eq=False)
class Condition:
    """One line of ``conditions``. ``value`` is a tuple for several, text, a number or true and false for one.

    Two conditions are equal when their canonical texts are: ``1`` and ``true`` are different things here.
    """

    key: str
    operator: Operator
    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.canonical())

    def canonical(self) -> str:
        """The same text for the same condition, and only for it: a key for interning."""
        return json.dumps([self.key, self.operator, self.value], ensure_ascii=False, separators=(",", ":"))

    def text(self) -> str:
        """For people: ``tool.openssl >=1.1.1,<4``."""
        if self.operator == "exists":
            return f"{self.key} " + (_("is there") if self.value else _("is not there"))
        shown = ", ".join(map(_shown, self.value)) if isinstance(self.value, tuple) else _shown(self.value)
        words = {"equals": "=", "any_of": _("is one of"), "none_of": _("is none of")}
        return " ".join(part for part in (self.key, words.get(self.operator, ""), shown) if part)

    def evaluate(self, facts: Mapping[str, Any]) -> Status:
        """``unknown`` where the fact was never probed. Whatever the facts hold, it never raises."""
        if self.key not in facts:
            return "unknown"
        return "holds" if self._holds(facts[self.key]) else "fails"

    def _holds(self, fact: Any) -> bool:
        if self.operator == "exists":
            return (fact is not None) is self.value
        found = [item for item in (fact if isinstance(fact, list | tuple) else [fact]) if _is_scalar(item)]
        if not found:
            return isinstance(fact, list | tuple) and self.operator == "none_of"
        if self.operator == "range":
            return any(_in_range(self.key, item, self.value) for item in found)
        wanted = self.value if isinstance(self.value, tuple) else (self.value,)
        is_among = any(_same(self.key, item, value) for item in found for value in wanted)
        return is_among != (self.operator == "none_of")


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not (isinstance(value, float) and not math.isfinite(value))


def _same(key: str, fact: Any, value: Any) -> bool:
    """Text is compared without regard to case, numbers by value, versions also by what they come to: 12 is 12.0."""
    if isinstance(fact, bool) or isinstance(value, bool):
        return fact is value
    if _text(fact).casefold() == _text(value).casefold():
        return True
    if kind(key) == "version":
        found, wanted = versions.normal_version(_text(fact)), versions.normal_version(_text(value))
        return found is not None and found == wanted
    if isinstance(fact, str) and isinstance(value, str):
        return False
    return _number(fact) is not None and _number(fact) == _number(value)


def _text(value: Any) -> str:
    """Integers of thousands of digits cannot be written out, and are the version of nothing."""
    return "" if isinstance(value, int) and abs(value) > 2**64 else str(value)


def _number(value: Any) -> float | int | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return None


def _in_range(key: str, fact: Any, specifier: str) -> bool:
    if isinstance(fact, bool):
        return False
    if kind(key) == "number" or (kind(key) is None and not isinstance(fact, str)):
        number = _number(fact)
        return number is not None and all(_compares(number, *clause) for clause in versions.clauses(specifier))
    return versions.in_range(_text(fact), specifier)


def _compares(number: float | int, operator: str, operand: str) -> bool:
    other = _number(operand)
    if other is None:
        return False
    return {
        "==": number == other,
        "!=": number != other,
        ">=": number >= other,
        "<=": number <= other,
        ">": number > other,
        "<": number < other,
    }.get(operator, False)


def parse(mapping: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a manifest, sorted by key. Raises PackageError ``condition_invalid`` that names the key."""
    return tuple(_parse(key, mapping[key]) for key in sorted(mapping))


def _parse(key: str, value: Any) -> Condition:
    if problem := key_problem(key):
        raise _refuse(key, problem)
    condition = _parsed(key, value)
    if len(condition.canonical().encode()) > CANONICAL_BYTES_LIMIT:
        raise _refuse(key, _("it is longer than {n} bytes").format(n=CANONICAL_BYTES_LIMIT))
    return condition


def _parsed(key: str, value: Any) -> Condition:
    if isinstance(value, Mapping):
        return _parse_mapping(key, value)
    if isinstance(value, list):
        return Condition(key, "any_of", _scalars(key, value))
    if isinstance(value, str) and versions.is_range(value):
        return Condition(key, "range", _range(key, value))
    return Condition(key, "equals", _scalars(key, [value])[0])


def _parse_mapping(key: str, value: Mapping[str, Any]) -> Condition:
    match dict(value):
        case {"not": list(items)} if len(value) == 1:
            return Condition(key, "none_of", _scalars(key, items))
        case {"exists": bool(wanted)} if len(value) == 1:
            return Condition(key, "exists", wanted)
    raise _refuse(key, _("only {forms} are understood").format(forms="{not: […]}, {exists: true}, {exists: false}"))


def _range(key: str, text: str) -> str:
    """The range without spaces, its parts in one order: the lower bound first, as people write it."""
    if kind(key) in ("text", "boolean", "list"):
        raise _refuse(key, _("'{value}' is a range, and this fact is no version and no number").format(value=text[:60]))
    try:
        parts = versions.clauses(text)
        if kind(key) == "number":
            if not all(_NUMBER.fullmatch(operand) and operator != "~=" for operator, operand in parts):
                raise ValueError(text)
        else:
            versions.specifier(text)
    except ValueError as error:
        why = _("'{value}' is no range such as {example}")
        example = ">=256" if kind(key) == "number" else ">=1.1.1,<4"
        raise _refuse(key, why.format(value=str(error)[:60], example=example)) from None
    ordered = sorted(set(parts), key=lambda part: (_ORDER.index(part[0]), part[1]))
    return ",".join(f"{operator}{operand}" for operator, operand in ordered)


def _scalars(key: str, items: Iterable[Any]) -> tuple[Any, ...]:
    values = [_scalar(key, item) for item in items]
    if not 0 < len(values) <= ITEMS_LIMIT:
        raise _refuse(key, _("a list has 1 to {n} entries").format(n=ITEMS_LIMIT))
    unique = {json.dumps(value): value for value in values}
    return tuple(unique[name] for name in sorted(unique))


def _scalar(key: str, value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise _refuse(key, _("it needs text, a number, or true or false"))
    if isinstance(value, str):
        if not 0 < len(value) <= TEXT_LIMIT or not value.isprintable():
            raise _refuse(key, _("text has 1 to {n} characters that can be printed").format(n=TEXT_LIMIT))
        if versions.is_range(value):
            raise _refuse(key, _("the range '{value}' must stand alone, not in a list").format(value=value[:60]))
        return value
    if isinstance(value, bool):
        return value
    if not abs(value) < 2**63:  # so written, NaN is refused as well
        raise _refuse(key, _("the number is too large"))
    if isinstance(value, float) and kind(key) == "version":
        raise _refuse(key, _("{value} is read as a number; put the version in quotes").format(value=value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse(key: str, why: str) -> PackageError:
    shown = key[:100] if key.isprintable() else ascii(key)[:100]
    message = _("condition {key}: {why}.").format(key=shown, why=why)
    advice = _("docs/conditions.md lists the facts.")
    return PackageError("condition_invalid", message, file="experience.yaml", advice=advice)


def fact_problem(key: str, value: Any) -> str | None:
    """Why a stated fact (of a scenario, or of ``keiken-facts.yaml``) is none."""
    if problem := key_problem(key):
        return _("fact {key}: {why}").format(key=key[:100], why=problem)
    items = value if isinstance(value, list) else [value]
    if len(items) > ITEMS_LIMIT * 10 or not all(item is None or _is_scalar(item) for item in items):
        return _("fact {key}: it is text, a number, true or false, or a list of these").format(key=key)
    if any(isinstance(item, str) and len(item) > 1000 for item in items):
        return _("fact {key}: the text is too long").format(key=key)
    if isinstance(value, float) and kind(key) == "version":
        return _("fact {key}: {value} is read as a number; put the version in quotes").format(key=key, value=value)
    return None


@dataclass(frozen=True)
class Finding:
    condition: Condition
    status: Status
    found: Fact


@dataclass(frozen=True)
class Match:
    """Whether all conditions hold, and why not."""

    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        return all(finding.status == "holds" for finding in self.findings)


def match(conditions: Iterable[Condition], facts: Mapping[str, Fact]) -> Match:
    """Every condition held against the facts, in order."""
    return Match(tuple(Finding(c, c.evaluate(facts), facts.get(c.key)) for c in conditions))


OPERATORS: tuple[str, ...] = get_args(Operator)

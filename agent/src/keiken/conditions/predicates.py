"""What a condition says of a fact: equal to, one of, none of, within a range of versions, present."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from keiken.errors import PackageError
from keiken.i18n import _

Fact = str | int | float | bool | list[Any] | None
Status = Literal["holds", "fails", "unknown"]
KEY = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_.+-]*)+$")
_RANGE = re.compile(r"^\s*(===|==|!=|~=|>=|<=|>|<)")
_RELEASE = re.compile(r"(\d+(?:\.\d+)*)(?:[-_ ]?(?:p|patch)(\d+))?([a-z])?")


@dataclass(frozen=True)
class Condition:
    """One line of ``conditions``. ``value`` is a tuple for several, text or a number for one."""

    key: str
    operator: Literal["equals", "any_of", "none_of", "range", "exists"]
    value: Any

    def canonical(self) -> str:
        """The same text for the same condition, and only for it: a key for interning."""
        return json.dumps([self.key, self.operator, self.value], ensure_ascii=False, sort_keys=True)

    def text(self) -> str:
        """For people: ``tool.openssl >=1.1.1,<4``."""
        words = {"equals": "=", "any_of": _("is one of"), "none_of": _("is none of"), "range": "", "exists": ""}
        if self.operator == "exists":
            return f"{self.key} " + (_("is there") if self.value else _("is not there"))
        shown = ", ".join(map(str, self.value)) if isinstance(self.value, tuple) else str(self.value)
        return " ".join(part for part in (self.key, words[self.operator], shown) if part)

    def evaluate(self, facts: Mapping[str, Fact]) -> Status:
        """``unknown`` where the fact was never probed; a fact that was probed and is absent is None."""
        if self.key not in facts:
            return "unknown"
        return "holds" if self._holds(facts[self.key]) else "fails"

    def _holds(self, fact: Fact) -> bool:
        if self.operator == "exists":
            return (fact is not None) == self.value
        if fact is None:
            return self.operator == "none_of"
        found = fact if isinstance(fact, list) else [fact]
        if self.operator == "range":
            return any(_in_range(item, self.value) for item in found)
        wanted = self.value if isinstance(self.value, tuple) else (self.value,)
        is_among = any(_same(item, value) for item in found for value in wanted)
        return is_among != (self.operator == "none_of")


def _same(fact: Any, value: Any) -> bool:
    if isinstance(fact, bool) or isinstance(value, bool):
        return fact is value
    return str(fact).casefold() == str(value).casefold()


def normal_version(text: str) -> Version | None:
    """The version in what a program or a vendor calls one: ``1.1.1w-0+deb11u1`` → 1.1.1.post23, ``9.5p1`` → 9.5.post1.

    A vendor's suffix after the numbers does not count; a letter counts as the n-th patch, as OpenSSL 1.1.1 had it.
    """
    text = re.sub(r"^\d+:", "", text.strip())
    try:
        return Version(text)
    except InvalidVersion:
        pass
    match = _RELEASE.search(text)
    if match is None:
        return None
    release, patch, letter = match.groups()
    if patch is None and letter is not None:
        patch = str(ord(letter) - ord("a") + 1)
    return Version(release + (f".post{patch}" if patch else ""))


def _in_range(fact: Any, specifier: str) -> bool:
    version = normal_version(str(fact))
    return version is not None and SpecifierSet(specifier).contains(version, prereleases=True)


def parse(mapping: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a manifest, sorted by key. Raises PackageError whose ``file`` detail is the key."""
    return tuple(_parse(key, mapping[key]) for key in sorted(mapping))


def _parse(key: str, value: Any) -> Condition:
    if not KEY.match(key):
        raise _refuse(key, _("a key is words joined by dots, as in tool.openssl"))
    if isinstance(value, Mapping):
        return _parse_mapping(key, value)
    if isinstance(value, list):
        return Condition(key, "any_of", _scalars(key, value))
    if isinstance(value, str) and _RANGE.match(value):
        try:
            return Condition(key, "range", _in_order(SpecifierSet(value)))
        except InvalidSpecifier:
            raise _refuse(key, _("'{value}' is no version range").format(value=value)) from None
    return Condition(key, "equals", _scalars(key, [value])[0])


def _in_order(specifiers: SpecifierSet) -> str:
    """Lower bounds before upper ones, as people write them; the same text for the same set."""
    return ",".join(sorted(map(str, specifiers), key=lambda text: (text.startswith("<"), text)))


def _parse_mapping(key: str, value: Mapping[str, Any]) -> Condition:
    match dict(value):
        case {"not": list(items)} if len(value) == 1:
            return Condition(key, "none_of", _scalars(key, items))
        case {"exists": bool(wanted)} if len(value) == 1:
            return Condition(key, "exists", wanted)
    raise _refuse(key, _("only {forms} are understood").format(forms="{not: […]}, {exists: true}"))


def _scalars(key: str, items: Iterable[Any]) -> tuple[Any, ...]:
    values = tuple(items)
    if not values or not all(isinstance(item, str | int | float | bool) for item in values):
        raise _refuse(key, _("it needs text, numbers or true and false"))
    return tuple(sorted(set(values), key=lambda item: (str(type(item)), str(item))))


def _refuse(key: str, why: str) -> PackageError:
    return PackageError("condition_invalid", _("condition {key}: {why}.").format(key=key, why=why), file=key)


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
    return Match(tuple(Finding(c, c.evaluate(facts), facts.get(c.key)) for c in conditions))

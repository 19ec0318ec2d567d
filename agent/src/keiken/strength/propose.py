"""Checks that would have noticed a wrong effect: candidates from what the step really did, tried before they are told.

Learnt from one run, so a candidate may be about chance (a time, a key). Only one that held in another run as well, and
did not under the mutant, is proposed. Daikon (Ernst et al. 2007) finds invariants in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from keiken.package.manifest import Scenario
from keiken.replay.masking import Mask
from keiken.strength.bytes import changed_at
from keiken.strength.observe import TEXT_FIELDS, Contents, Effect, Seen
from keiken.strength.record import MutantRecord

MOST = 8
"""Candidates for one mutant in each place."""
LINE_CHARACTERS = 100
_FILES = 4


@dataclass(frozen=True)
class Candidate:
    place: Literal["step", "scenario"]
    """What is relative to other files or values fits into the step; what quotes a value of this scenario, into that."""
    check: str


def candidates(mutant: MutantRecord, effect: Effect, contents: Contents, scenario: Scenario) -> list[Candidate]:
    """The most general first; none that would show a secret."""
    mask = Mask(scenario.secrets)
    found = [one for one in _all(mutant, effect, contents) if mask.text(one.check) == one.check]
    unique = list(dict.fromkeys(found))
    return [one for place in ("step", "scenario") for one in [one for one in unique if one.place == place][:MOST]]


def _all(mutant: MutantRecord, effect: Effect, contents: Contents) -> Iterator[Candidate]:
    if mutant.target.startswith("outputs."):
        yield from _of_output(mutant, effect)
        return
    if mutant.kind == "omit" or mutant.target in TEXT_FIELDS:
        for name in TEXT_FIELDS:
            if effect.result.get(name) and mutant.target in ("", name):
                yield Candidate("step", f"result.{name} != ''")
    if mutant.target not in TEXT_FIELDS:
        paths = [mutant.target] if mutant.target in effect.after else _most_telling(effect)
        for path in paths:
            yield from _of_existence(effect, path, mutant)
        for path in paths:
            yield from _of_content(effect, path, contents)


def _most_telling(effect: Effect) -> list[str]:
    """A few of the files that the step changed: new ones and removed ones before changed ones."""
    return sorted(effect.changed, key=lambda path: (path in effect.before and path in effect.after, path))[:_FILES]


def _of_existence(effect: Effect, path: str, mutant: MutantRecord) -> Iterator[Candidate]:
    if path not in effect.after:
        yield Candidate("step", f"!{_file(path)}.exists")
    elif mutant.kind == "corrupt":
        yield Candidate("step", f"{_file(path)}.size > 0")
    elif path not in effect.before:
        yield Candidate("step", f"{_file(path)}.exists")


def _of_content(effect: Effect, path: str, contents: Contents) -> Iterator[Candidate]:
    after, before = effect.after.get(path), effect.before.get(path)
    if after is None or not after.digest:
        return
    for other, seen in sorted(effect.after.items()):
        if other != path and seen.digest == after.digest and seen.size:
            yield Candidate("step", f"{_file(path)}.sha256 == {_file(other)}.sha256")
    if before is not None and before.mode != after.mode:
        yield Candidate("step", f"{_file(path)}.mode == '{after.mode}'")
    for line in _lines(after, before, contents):
        yield Candidate("scenario", f"{_file(path)}.text.contains({_text(line)})")
    yield Candidate("scenario", f"{_file(path)}.sha256 == '{after.digest}'")


def _lines(after: Seen, before: Seen | None, contents: Contents) -> Iterator[str]:
    """The lines that a change of one byte, a cut or going back would take away."""
    content = contents.of(after)
    if not content:
        return
    try:
        text = content.decode()
        old = (contents.of(before) or b"").decode() if before else ""
    except UnicodeDecodeError:
        return
    position = changed_at(content)
    at_change = content[: position or 0].count(b"\n")
    lines = text.split("\n")
    for line in (lines[min(at_change, len(lines) - 1)], next((line for line in reversed(lines) if line), "")):
        if 3 <= len(line) <= LINE_CHARACTERS and line.isprintable() and line not in old:
            yield line


def _of_output(mutant: MutantRecord, effect: Effect) -> Iterator[Candidate]:
    name = mutant.target.removeprefix("outputs.")
    value, place = effect.outputs.get(name), f"steps.{mutant.step}.{mutant.target}"
    for path, seen in sorted(effect.after.items()):
        if seen.digest and value == seen.digest:
            yield Candidate("scenario", f"{place} == {_file(path)}.sha256")
    literal = _literal(value)
    if literal:
        yield Candidate("scenario", f"{place} == {literal}")


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and len(value) <= LINE_CHARACTERS and value.isprintable():
        return _text(value)
    return ""


def _file(path: str) -> str:
    return f"file({_text(path)})"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def by_place(found: Sequence[Candidate]) -> tuple[list[str], list[str]]:
    """(for the step, for the scenario)"""
    return (
        [one.check for one in found if one.place == "step"],
        [one.check for one in found if one.place == "scenario"],
    )

"""What differs between two runs of the same scenario: the steps whose outcome, outputs or files are not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from keiken.replay.evidence import CheckSeen, Evidence, FileSeen, Seen, StepSeen, Value

DIFFERENCES_LIMIT = 100
DIGEST_CHARACTERS = 31
"""Of a digest as it is shown: 24 hexadecimal digits tell any two files apart."""


class Difference(Seen):
    """One thing that is not the same in two runs, with what it was in each; short and masked like all evidence."""

    step: str
    """Empty for what belongs to the whole scenario."""
    what: Literal["outcome", "status", "exit_code", "check", "value", "output", "file", "result", "left_out"]
    name: str = ""
    one: str = ""
    other: str = ""


def differences(one: Evidence, other: Evidence) -> list[Difference]:
    """In the order of the steps, at most a hundred; empty when the outcome digests agree.

    Where what differs was left out of one of them, that is said instead of nothing.
    """
    if one.outcome_digest == other.outcome_digest:
        return []
    found = [difference for difference, _number in zip(_all(one, other), range(DIFFERENCES_LIMIT), strict=False)]
    return found or [Difference(step="", what="left_out")]


def _all(one: Evidence, other: Evidence) -> Iterator[Difference]:
    if (one.outcome, one.code) != (other.outcome, other.code):
        yield Difference(
            step="", what="outcome", one=f"{one.outcome} {one.code}", other=f"{other.outcome} {other.code}"
        )
    yield from _steps(one.steps, other.steps)
    yield from _steps(one.undo, other.undo)
    yield from _checks("", one.checks, other.checks)
    yield from _values("", "result", one.result, other.result)


def _steps(one: Sequence[StepSeen], other: Sequence[StepSeen]) -> Iterator[Difference]:
    others = {step.id: step for step in other}
    for step in one:
        if (match := others.pop(step.id, None)) is not None:
            yield from _step(step, match)
        else:
            yield Difference(step=step.id, what="status", one=step.status)
    for step in others.values():
        yield Difference(step=step.id, what="status", other=step.status)


def _step(one: StepSeen, other: StepSeen) -> Iterator[Difference]:
    if one.status != other.status:
        yield Difference(step=one.id, what="status", one=one.status, other=other.status)
    if one.exit_code != other.exit_code:
        yield Difference(step=one.id, what="exit_code", one=_text(one.exit_code), other=_text(other.exit_code))
    yield from _checks(one.id, one.checks, other.checks)
    yield from _values(one.id, "output", one.outputs, other.outputs)
    yield from _files(one.id, one.files, other.files)


def _text(code: int | None) -> str:
    return "" if code is None else str(code)


def _checks(step: str, one: Sequence[CheckSeen], other: Sequence[CheckSeen]) -> Iterator[Difference]:
    others = {(check.kind, check.expression): check for check in other}
    for check in one:
        match = others.pop((check.kind, check.expression), None)
        if match is None or match.holds != check.holds:
            told = "" if match is None else _holds(match)
            yield Difference(step=step, what="check", name=check.expression, one=_holds(check), other=told)
        if match is not None:
            yield from _values(step, "value", check.values, match.values)
    for check in others.values():
        yield Difference(step=step, what="check", name=check.expression, other=_holds(check))


def _holds(check: CheckSeen) -> str:
    return "true" if check.holds else "false"


def _values(
    step: str, what: Literal["value", "output", "result"], one: Sequence[Value], other: Sequence[Value]
) -> Iterator[Difference]:
    others = {value.name: value for value in other}
    for value in one:
        match = others.pop(value.name, Value(name=value.name))
        if value.digest != match.digest:
            yield Difference(step=step, what=what, name=value.name, one=_shown(value), other=_shown(match))
    for value in others.values():
        yield Difference(step=step, what=what, name=value.name, other=_shown(value))


def _shown(value: Value) -> str:
    """The text; with the digest where the text was cut, since what differs may lie beyond."""
    return f"{value.shown} ({value.digest[:19]}…)" if value.shown.endswith("…") else value.shown


def _files(step: str, one: Sequence[FileSeen], other: Sequence[FileSeen]) -> Iterator[Difference]:
    before, after = _by_path(one), _by_path(other)
    for path in sorted(before.keys() | after.keys()):
        first, second = (_file(files.get(path)) for files in (before, after))
        if first != second:
            yield Difference(step=step, what="file", name=path, one=first, other=second)


def _by_path(files: Sequence[FileSeen]) -> Mapping[str, FileSeen]:
    return {file.path: file for file in files}


def _file(file: FileSeen | None) -> str:
    if file is None:
        return ""
    words = [file.change, _short(file.after or file.before), file.mode]
    return " ".join([*words, *([f"from {_short(file.before)}"] if file.change == "changed" else [])])


def _short(digest: str) -> str:
    return digest if len(digest) <= DIGEST_CHARACTERS else f"{digest[:DIGEST_CHARACTERS]}…"

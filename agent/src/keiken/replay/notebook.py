"""What is noted while a replay goes on, for the evidence that is made of it at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from keiken.replay.evidence import (
    CONNECTIONS_LIMIT,
    FILES_LIMIT,
    SHOWN_CHARACTERS,
    CheckSeen,
    ConnectionSeen,
    Evidence,
    FileSeen,
    StepSeen,
    Value,
    bounded,
    digest_of,
    outcome_digest,
)
from keiken.replay.masking import Mask
from keiken.replay.report import CheckRecord, Report, StepRecord
from keiken.replay.reporting import DETAIL_CHARACTERS, TAIL_CHARACTERS, printable, storable
from keiken.replay.state import Listing

SEARCHED_BYTES = 1 << 20
"""Of a file larger than this nothing tells whether a secret is in it: while there are secrets, it has no digest."""
WORD_CHARACTERS = 1_000
PRINTED_CHARACTERS = 1_000
_WORDS = 200
COMPARED_CHARACTERS = 65_536
"""Where there are secrets, a longer value has no digest."""
_MARK = "[secret "
_COVERED = "[digest of a file with a secret]"


class _Noted(NamedTuple):
    """A masked value; the digest is None where it can only be told at the end, empty where it never is."""

    name: str
    text: str
    digest: str | None


@dataclass
class _StepNotes:
    argv: list[str] = field(default_factory=list)
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    files: list[FileSeen] = field(default_factory=list)
    files_left_out: int = 0
    check_values: dict[tuple[str, str], list[_Noted]] = field(default_factory=dict)


class Notebook:
    """Kept by the engine for one replay; everything is masked before it is cut, and cut before it is kept."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._steps: dict[str, _StepNotes] = {}
        self._current = _StepNotes()
        self._final = self._current
        self._covered: dict[str, str] = {}

    def begin(self, step_id: str) -> None:
        """What follows is about this step."""
        self._current = self._steps.setdefault(step_id, _StepNotes())

    def end_steps(self) -> None:
        """What follows is about the scenario."""
        self._current = self._final

    def note_command(self, words: Sequence[str]) -> None:
        """Masked word by word, unless a secret is spread over several."""
        masked = [self._mask.text(word) for word in words]
        joined = self._mask.text("\n".join(words))
        if joined.count(_MARK) != sum(word.count(_MARK) for word in masked):
            masked = [joined]
        self._current.argv = [printable(word[:WORD_CHARACTERS]) for word in masked[:_WORDS]]

    def note_usage(self, cpu_seconds: float | None, peak_memory_bytes: int | None) -> None:
        """Processor time adds up over the attempts of a step, the peak is the highest."""
        notes = self._current
        if cpu_seconds is not None:
            notes.cpu_seconds = round((notes.cpu_seconds or 0.0) + cpu_seconds, 6)
        if peak_memory_bytes is not None:
            notes.peak_memory_bytes = max(notes.peak_memory_bytes or 0, peak_memory_bytes)

    def note_values(self, kind: str, expression: str, values: Mapping[str, Any]) -> None:
        self._current.check_values[kind, expression] = [self._noted(name, value) for name, value in values.items()]

    def _noted(self, name: str, value: Any) -> _Noted:
        masked = storable(self._mask.value(value))
        text = json.dumps(masked, sort_keys=True, ensure_ascii=False, default=str)
        if not self._mask.has_secrets:
            return _Noted(name, text[: SHOWN_CHARACTERS + 1], digest_of(text.encode("utf-8", "replace")))
        # Which digests must not be told is only known at the end: one of a file that holds nothing but a secret.
        return _Noted(name, text[:COMPARED_CHARACTERS], None if len(text) <= COMPARED_CHARACTERS else "")

    def _value(self, noted: _Noted) -> Value:
        text = self._cover(noted.text)
        digest = digest_of(text.encode("utf-8", "replace")) if noted.digest is None else noted.digest
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
        return Value(name=self._told(noted.name), shown=printable(shown), digest=digest)

    def _cover(self, text: str) -> str:
        """Without the digests of contents that hold a secret: a short secret can be found by trying."""
        for digest in self._covered:
            text = text.replace(digest, _COVERED)
        return text

    def _told(self, text: str) -> str:
        return printable(self._cover(self._mask.text(text)))

    # Files

    def look_for_secrets(self, digest: str, content: bytes) -> None:
        """Remember for the content of this digest what may be told of it instead."""
        if not self._mask.has_secrets or digest in self._covered:
            return
        if len(content) > SEARCHED_BYTES:
            self._covered[digest] = ""
            return
        text = content.decode("utf-8", "replace")
        masked = self._mask.text(text)
        if masked != text:
            self._covered[digest] = digest_of(masked.encode("utf-8", "replace"))

    def note_files(self, before: Listing, after: Listing) -> None:
        """What a step changed below ``work/``, sorted by path. Files too many to be read are left out."""
        paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        found = [seen for path in paths if (seen := self._file(path, before.get(path), after.get(path))) is not None]
        self._current.files = found[:FILES_LIMIT]
        self._current.files_left_out = len(found) - len(self._current.files)

    def _file(
        self, path: str, before: tuple[int, str, str] | None, after: tuple[int, str, str] | None
    ) -> FileSeen | None:
        known = after or before
        if known is None or (before and before[0] < 0) or (after and after[0] < 0):
            return None
        digests = [entry[2] if entry else "" for entry in (before, after)]
        return FileSeen(
            path=printable(self._mask.text(path)),
            change="made" if before is None else "removed" if after is None else "changed",
            before=self._digest(digests[0]),
            after=self._digest(digests[1]),
            size=known[0],
            mode=known[1],
            holds_secret=any(digest in self._covered for digest in digests),
        )

    def _digest(self, digest: str) -> str:
        return self._covered.get(digest, f"sha256:{digest}" if digest else "")

    # At the end

    def evidence(self, report: Report, unmasked: Report) -> Evidence:
        """``report`` is the masked one; of ``unmasked`` only values are taken, and masked here."""
        run = Evidence(
            replay_id=report.replay_id,
            outcome=report.outcome,
            code=report.code,
            reason=self._cover(report.reason),
            duration_seconds=report.duration_seconds,
            steps=self._all(report.steps, unmasked.steps),
            undo=self._all(report.undo, unmasked.undo),
            checks=[self._check(check, self._final) for check in unmasked.checks],
            result=[self._value(self._noted(*item)) for item in unmasked.result.items()],
            network=[
                ConnectionSeen(**one.model_dump(exclude={"seconds"})) for one in report.network[:CONNECTIONS_LIMIT]
            ],
        )
        return bounded(run.model_copy(update={"outcome_digest": outcome_digest(run)}))

    def _all(self, masked: Sequence[StepRecord], unmasked: Sequence[StepRecord]) -> list[StepSeen]:
        return [self._step(one, other) for one, other in zip(masked, unmasked, strict=True)]

    def _step(self, masked: StepRecord, unmasked: StepRecord) -> StepSeen:
        notes = self._steps.get(masked.id, _StepNotes())
        return StepSeen(
            id=masked.id,
            title=masked.title,
            action=masked.action,
            argv=[self._cover(word) for word in notes.argv],
            status=masked.status,
            attempts=masked.attempts,
            duration_seconds=masked.duration_seconds,
            exit_code=masked.exit_code,
            reason=self._cover(masked.reason)[:TAIL_CHARACTERS],
            cpu_seconds=notes.cpu_seconds,
            peak_memory_bytes=notes.peak_memory_bytes,
            stdout=self._cover(masked.stdout)[-PRINTED_CHARACTERS:],
            stderr=self._cover(masked.stderr)[-PRINTED_CHARACTERS:],
            checks=[self._check(check, notes) for check in unmasked.checks],
            outputs=[self._value(self._noted(*item)) for item in unmasked.outputs.items()],
            files=notes.files,
            files_left_out=notes.files_left_out,
        )

    def _check(self, check: CheckRecord, notes: _StepNotes) -> CheckSeen:
        return CheckSeen(
            kind=check.kind,
            expression=self._told(check.expression),
            holds=check.holds,
            detail=self._told(check.detail)[:DETAIL_CHARACTERS],
            values=[self._value(noted) for noted in notes.check_values.get((check.kind, check.expression), [])],
        )

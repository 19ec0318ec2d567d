"""What one run of a scenario left to look at, step by step: masked, bounded, and with a digest to compare runs by.

The digest covers what must not vary from run to run: how each step ended, what its checks looked at and said, its
outputs, the files it made, changed and removed with their digests, and how the whole ended. It leaves out times,
resources, attempts, the sandbox, and what was printed without a check or an output looking at it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SHOWN_CHARACTERS = 200
FILES_LIMIT = 200
CONNECTIONS_LIMIT = 200
EVIDENCE_BYTES = 512 << 10
"""Of one run, as JSON, before it is compressed. A report of the worst kind has 3 MiB."""


class Seen(BaseModel):
    """Read by those who did not write it, for years: what a newer replayer adds is kept and passed on."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class Value(Seen):
    """What a part of an expression or an output was: a short text for people, and the digest of all of it, masked."""

    name: str
    shown: str = ""
    digest: str = ""


class CheckSeen(Seen):
    kind: str
    expression: str
    holds: bool
    detail: str = ""
    values: list[Value] = Field(default_factory=list)


class FileSeen(Seen):
    """A file below ``work/`` that a step made, changed or removed. Digests are ``sha256:…``, empty where unknown."""

    path: str
    change: Literal["made", "changed", "removed"]
    before: str = ""
    after: str = ""
    size: int = 0
    """In bytes, after the step; what a removed file had."""
    mode: str = ""
    holds_secret: bool = False
    """Its content holds a secret: the digests are then of the masked text, so that nothing can be guessed from them."""


class StepSeen(Seen):
    id: str
    title: str = ""
    action: str
    argv: list[str] = Field(default_factory=list)
    """What was carried out, word by word, masked."""
    status: str
    attempts: int = 0
    duration_seconds: float = 0
    exit_code: int | None = None
    reason: str = ""
    cpu_seconds: float | None = None
    """Of the command and of all it waited for, all attempts together."""
    peak_memory_bytes: int | None = None
    """Of everything in the sandbox while the step ran, where its control group tells."""
    stdout: str = ""
    stderr: str = ""
    """The last thousand characters of each."""
    checks: list[CheckSeen] = Field(default_factory=list)
    outputs: list[Value] = Field(default_factory=list)
    files: list[FileSeen] = Field(default_factory=list)
    files_left_out: int = 0


class ConnectionSeen(Seen):
    """A request for a way out of the sandbox; ``code`` is empty where it was let through."""

    step: str = ""
    host: str
    port: int
    method: str
    code: str = ""
    address: str = ""
    sent_bytes: int = 0
    received_bytes: int = 0
    count: int = 1


class Evidence(Seen):
    """One run. ``is_shortened``: not everything is told; the digest is over all of it nevertheless."""

    replay_id: str
    outcome: str
    code: str = ""
    reason: str = ""
    duration_seconds: float = 0
    steps: list[StepSeen] = Field(default_factory=list)
    undo: list[StepSeen] = Field(default_factory=list)
    checks: list[CheckSeen] = Field(default_factory=list)
    """The scenario's final checks."""
    result: list[Value] = Field(default_factory=list)
    network: list[ConnectionSeen] = Field(default_factory=list)
    """The first of them; the report has them all."""
    outcome_digest: str = ""
    is_shortened: bool = False


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def outcome_digest(run: Evidence) -> str:
    """``sha256:…`` over the canonical JSON of what must not vary."""
    told = {
        "outcome": run.outcome,
        "code": run.code,
        "steps": [_told(step) for step in run.steps],
        "undo": [_told(step) for step in run.undo],
        "checks": [_checked(check) for check in run.checks],
        "result": _valued(run.result),
    }
    return digest_of(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())


def _told(step: StepSeen) -> dict[str, Any]:
    return {
        "id": step.id,
        "status": step.status,
        "exit_code": step.exit_code,
        "checks": [_checked(check) for check in step.checks],
        "outputs": _valued(step.outputs),
        "files": [[file.path, file.change, file.before, file.after, file.mode] for file in step.files],
        "files_left_out": step.files_left_out,
    }


def _checked(check: CheckSeen) -> list[Any]:
    return [check.kind, check.expression, check.holds, _valued(check.values)]


def _valued(values: list[Value]) -> list[list[str]]:
    return [[value.name, value.digest] for value in values]


def bounded(run: Evidence) -> Evidence:
    """The same, with the least telling parts left out until it is small enough to be kept."""
    for shorten in (_without_prints, _without_passing_values, _with_few_files, _bare):
        if len(run.model_dump_json().encode()) <= EVIDENCE_BYTES:
            break
        steps = {"steps": [shorten(step) for step in run.steps], "undo": [shorten(step) for step in run.undo]}
        run = run.model_copy(update={**steps, "is_shortened": True})
    return run


def _without_prints(step: StepSeen) -> StepSeen:
    return step.model_copy(update={"stdout": "", "stderr": ""}) if step.status == "succeeded" else step


def _without_passing_values(step: StepSeen) -> StepSeen:
    checks = [check.model_copy(update={"values": []}) if check.holds else check for check in step.checks]
    return step.model_copy(update={"checks": checks})


def _with_few_files(step: StepSeen) -> StepSeen:
    left_out = step.files_left_out + max(0, len(step.files) - 10)
    return step.model_copy(update={"files": step.files[:10], "files_left_out": left_out})


def _bare(step: StepSeen) -> StepSeen:
    argv = [word[:40] for word in step.argv[:8]]
    kept = {
        "argv": argv,
        "checks": step.checks[:4],
        "outputs": step.outputs[:4],
        "files": [],
        "reason": step.reason[:200],
        "stdout": step.stdout[-200:],
        "stderr": step.stderr[-200:],
    }
    return step.model_copy(update={**kept, "files_left_out": step.files_left_out + len(step.files)})

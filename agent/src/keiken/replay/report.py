"""What a replay leaves behind in every case, and what a verification concludes from it. Secrets are masked before."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from keiken.replay.evidence import Evidence

Outcome = Literal["succeeded", "refused", "diverged", "failed", "error"]
StepStatus = Literal["succeeded", "skipped", "diverged", "failed", "not_run"]
Verdict = Literal[
    "passed",
    "failed",
    "flaky",
    "precondition_unmet",
    "vacuous",
    "inconclusive",
    "limit_exceeded",
    "policy_violation",
    "invalid_package",
    "error",
]

OUTCOME_EXIT_CODES: dict[Outcome, int] = {
    "succeeded": 0,
    "error": 1,
    "refused": 3,
    "diverged": 4,
    "failed": 5,
}


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class CheckRecord(Record):
    kind: Literal["requires", "expect", "invariant", "scenario", "when", "output", "result", "ready"]
    expression: str
    holds: bool
    detail: str = ""
    """Why it does not hold, or the error of its evaluation."""


class StepRecord(Record):
    id: str
    title: str = ""
    action: str
    command: str = ""
    """What was carried out, masked, for people."""
    status: StepStatus = "not_run"
    attempts: int = 0
    duration_seconds: float = 0
    exit_code: int | None = None
    reason: str = ""
    stdout: str = ""
    stderr: str = ""
    """The last 4,000 characters, masked, control characters escaped."""
    checks: list[CheckRecord] = Field(default_factory=list)
    outputs: dict[str, Any] = Field(default_factory=dict)
    changed: list[str] = Field(default_factory=list)
    """Paths below ``work/`` that the step made, changed (``+ ~``) or removed (``-``), as ``"+ work/key.pem"``."""


class ConditionRecord(Record):
    condition: str
    status: Literal["holds", "fails", "unknown"]
    found: Any = None


class ExecutorRecord(Record):
    driver: str
    isolation: str
    environment: str
    environment_digest: str
    limits_enforced: bool = True


class Savings(Record):
    """What the replay saved instead of finding the way again, as its reporter reckons; None where it is not told."""

    steps: int | None = Field(None, ge=0, le=1_000_000)
    """Tool calls or commands."""
    model_tokens: int | None = Field(None, ge=0, le=10_000_000_000)
    """Read and written by language models."""


class ConnectionRecord(Record):
    """One request for a way out of the sandbox, allowed or not, as the proxy noted it."""

    step: str = ""
    """During which step it began; empty before the first, between two and after the last."""
    host: str
    port: int
    method: str
    code: str = ""
    """Empty where it was let through; else why not (``not_declared``, ``address_not_public``, …)."""
    address: str = ""
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0
    count: int = 1


class Report(Record):
    """One replay. ``replay_id`` makes submitting it twice harmless."""

    replay_id: str
    experience: str
    """``name`` for a folder, ``organization/name`` for one from a marketplace."""
    version: str
    digest: str
    scenario: str = ""
    outcome: Outcome
    code: str = ""
    """Stable code of what stopped it, for example ``condition_unmet``; empty when it succeeded."""
    reason: str = ""
    advice: str = ""
    executor: ExecutorRecord | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    conditions: list[ConditionRecord] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    steps: list[StepRecord] = Field(default_factory=list)
    checks: list[CheckRecord] = Field(default_factory=list)
    """The scenario's final checks, evaluated after everything inside was killed."""
    undo: list[StepRecord] = Field(default_factory=list)
    result: dict[str, Any] = Field(default_factory=dict)
    network: list[ConnectionRecord] = Field(default_factory=list)
    """Empty where nobody allowed the sandbox a network."""
    started_at: datetime
    duration_seconds: float = 0
    replayer: str = ""
    savings: Savings | None = None
    """Added when it is reported; a report without has the same form as before there was this."""

    @model_serializer(mode="wrap")
    def _without_empty_savings(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = dump(self)
        if document.get("savings") is None:
            document.pop("savings", None)
        return document


class ScenarioVerdict(Record):
    """What one scenario in one environment proves."""

    scenario: str
    verdict: Verdict
    reason: str
    report: Report
    evidence: Evidence | None = None
    repeated: Evidence | None = None
    """Of the second, identical run, where there was one."""
    hollow_caught: bool | None = None
    """True when the checks failed while no step was carried out; None where that was not asked."""

"""What a marketplace answers about versions and their proofs, typed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from keiken.client.shapes import Shape
from keiken.frontier.record import ConditionVerdict, Dependence, Frontier, NotRun, Proposal, Run
from keiken.replay.comparing import Difference
from keiken.replay.evidence import Evidence


class ScenarioResult(Shape):
    scenario: str
    verdict: str
    reason: str = ""


class Verification(Shape):
    environment: str | None = None
    state: str
    verdict: str | None = None
    scenarios: list[ScenarioResult] = Field(default_factory=list)
    finished_at: datetime | None = None


class Version(Shape):
    """One published version. ``digest`` is its identity everywhere."""

    organization: str
    name: str
    version: str
    digest: str
    size: int | None = None
    published_at: datetime | None = None
    verifications: list[Verification] = Field(default_factory=list)


class ProgressEntry(Shape):
    """One entry of a live log; which of its parts there are depends on ``kind``."""

    number: int
    at: datetime
    kind: str
    scenario: str = ""
    run: int = 1
    step: str = ""
    title: str = ""
    status: str = ""
    seconds: float = 0
    exit_code: int | None = None
    reason: str = ""
    output: str = ""
    verdict: str = ""
    tried: int = 0
    chosen: int = 0
    attempt: int = 0


class Watched(Shape):
    """The newest verification in one environment. ``attempt``: the one that the entries are of."""

    verification: str
    environment: str
    state: str
    verdict: str = ""
    attempt: int = 0
    note: str = ""
    entries: list[ProgressEntry] = Field(default_factory=list)
    scenarios: list[ScenarioResult] = Field(default_factory=list)


class ProgressAnswer(Shape):
    digest: str
    verifications: list[Watched] = Field(default_factory=list)


class ReverificationRules(Shape):
    """When versions are proven again. None: nothing is asked for."""

    topic: str = ""
    max_age_days: int | None = None
    on_new_environment: bool | None = None
    on_environment_change: bool | None = None
    diverging_reports: int | None = None
    request_minutes: int | None = None


class ReverificationAnswer(Shape):
    """``site``: what applies to everybody; ``policies``: what the organization asks for beyond it."""

    site: ReverificationRules
    policies: list[ReverificationRules] = Field(default_factory=list)


class Compared(Shape):
    verification: str
    finished_at: datetime | None = None
    differences: list[Difference] = Field(default_factory=list)


class ScenarioProof(Shape):
    """One scenario with its runs; without a license only outcomes and durations are in them."""

    scenario: str
    verdict: str
    reason: str = ""
    runs: list[Evidence] = Field(default_factory=list)
    compared: Compared | None = None
    runs_known: int = 0
    outcomes_known: int = 0


class Proof(Shape):
    verification: str
    environment: str
    environment_digest: str = ""
    verdict: str
    finished_at: datetime | None = None
    scenarios: list[ScenarioProof] = Field(default_factory=list)


class EvidenceAnswer(Shape):
    digest: str
    is_full: bool
    proofs: list[Proof] = Field(default_factory=list)


class Exploration(Shape):
    """One around one environment; what it found is there when it is done."""

    environment: str
    state: str
    runs: list[Run] = Field(default_factory=list)
    not_run: list[NotRun] = Field(default_factory=list)
    conditions: list[ConditionVerdict] = Field(default_factory=list)
    dependences: list[Dependence] = Field(default_factory=list)

    @property
    def frontier(self) -> Frontier:
        return Frontier(runs=self.runs, not_run=self.not_run, conditions=self.conditions, dependences=self.dependences)


class FrontierAnswer(Shape):
    digest: str
    is_full: bool
    explorations: list[Exploration] = Field(default_factory=list)
    proposals: list[Proposal] = Field(default_factory=list)


class AcceptedProposal(Shape):
    version: str
    digest: str


class AttestationItem(Shape):
    id: str | int
    created_at: datetime | None = None
    envelope: dict[str, Any]
    log: dict[str, Any] | None = None


class IndependentItem(AttestationItem):
    organization: str = ""
    public_key: str = ""


class Attestations(Shape):
    digest: str
    attestations: list[AttestationItem]
    summary: AttestationItem | None = None
    independent: list[IndependentItem] = Field(default_factory=list)
    checkpoint: str = ""


class SubmittedStatement(Shape):
    id: str
    digest: str
    verdict: str


class LogCheckpoint(Shape):
    checkpoint: str


class LogConsistency(Shape):
    hashes: list[str]

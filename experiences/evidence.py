"""Reading what verifications saw: each run step by step, and what is not the same from run to run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, OuterRef, QuerySet, Subquery

from experiences.domain.evidence_store import unpacked
from experiences.models import Environment, EvidenceRecord, ScenarioResult, Verification, Version
from keiken.replay.comparing import Difference, differences
from keiken.replay.evidence import Evidence, StepSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one run of a scenario is held against: the one repeated at once, or the one of the verification before."""

    verification: UUID
    finished_at: datetime | None
    differences: Sequence[Difference]


@dataclass(slots=True, kw_only=True)
class ScenarioProof:
    """One scenario of one verification with its runs. ``runs`` is empty for a verdict without a replay."""

    scenario: str
    verdict: str
    reason: str
    runs: list[Evidence] = field(default_factory=list)
    compared: Compared | None = None
    runs_known: int = 0
    """How many runs there were of this version in exactly this environment, and how many outcomes they had."""
    outcomes_known: int = 0


@dataclass(slots=True, kw_only=True)
class Proof:
    verification: Verification
    scenarios: list[ScenarioProof]


def done_verifications(version: Version) -> QuerySet[Verification]:
    """With ``previous_id`` and ``previous_finished_at`` of the one before, in exactly the same environment."""
    before = Verification.objects.filter(
        version_id=OuterRef("version_id"),
        environment_id=OuterRef("environment_id"),
        state=Verification.State.DONE,
        finished_at__lt=OuterRef("finished_at"),
    ).order_by("-finished_at")
    return (
        Verification.objects.filter(version=version, state=Verification.State.DONE)
        .select_related("environment", "attestation__log_entry")
        .annotate(
            previous_id=Subquery(before.values("pk")[:1]),
            previous_finished_at=Subquery(before.values("finished_at")[:1]),
        )
    )


def environment_before(row: Verification) -> Environment | None:
    """The root file system that the same name stood for in the verification before, where it was another one."""
    before = (
        Verification.objects.filter(
            version_id=row.version_id,
            environment_name=row.environment_name,
            state=Verification.State.DONE,
            finished_at__lt=row.finished_at,
        )
        .select_related("environment")
        .order_by("-finished_at")
        .first()
    )
    return before.environment if before is not None and before.environment_id != row.environment_id else None


def newest_proofs(version: Version, environment: str = "") -> list[Proof]:
    """The last concluded verification in each environment, or in the one named."""
    rows = done_verifications(version).order_by("environment_name", "-finished_at").distinct("environment_name")
    if environment:
        rows = rows.filter(environment_name=environment)
    return proofs(rows)


def proofs(verifications: Iterable[Any]) -> list[Proof]:
    """Of rows of ``done_verifications``: three queries for all of them together."""
    rows = list(verifications)
    earlier = {row.previous_id for row in rows if row.previous_id is not None}
    runs = _runs({row.pk for row in rows} | earlier)
    results = defaultdict(list)
    for result in ScenarioResult.objects.filter(verification__in=rows).defer("report").order_by("scenario"):
        results[result.verification_id].append(result)
    known = _known(rows)
    found = []
    for row in rows:
        scenarios = [_proof(result, runs[row.pk, result.scenario]) for result in results[row.pk]]
        for proof in scenarios:
            proof.compared = _compared(row, proof, runs.get((row.previous_id, proof.scenario), []))
            proof.runs_known, proof.outcomes_known = known.get((row.environment_id, proof.scenario), (0, 0))
        found.append(Proof(verification=row, scenarios=scenarios))
    return found


def _runs(verifications: set[UUID]) -> dict[tuple[UUID | None, str], list[Evidence]]:
    found: dict[tuple[UUID | None, str], list[Evidence]] = defaultdict(list)
    rows = EvidenceRecord.objects.filter(result__verification_id__in=verifications).order_by("result_id", "run")
    for pk, scenario, content in rows.values_list("result__verification_id", "result__scenario", "content"):
        found[pk, scenario].append(unpacked(bytes(content)))
    return found


def _known(rows: Sequence[Verification]) -> dict[tuple[int | None, str], tuple[int, int]]:
    counted = (
        EvidenceRecord.objects.filter(
            result__verification__version_id__in={row.version_id for row in rows},
            result__verification__environment_id__in={row.environment_id for row in rows},
        )
        .values_list("result__verification__environment_id", "result__scenario")
        .annotate(runs=Count("id"), outcomes=Count("outcome_digest", distinct=True))
    )
    return {(environment, scenario): (runs, outcomes) for environment, scenario, runs, outcomes in counted}


def _proof(result: ScenarioResult, runs: list[Evidence]) -> ScenarioProof:
    return ScenarioProof(scenario=result.scenario, verdict=result.verdict, reason=result.reason, runs=runs)


def _compared(row: Any, proof: ScenarioProof, before: list[Evidence]) -> Compared | None:
    """The run that was repeated at once is the closest there is to an identical one."""
    if len(proof.runs) > 1:
        found = differences(proof.runs[0], proof.runs[1])
        return Compared(verification=row.pk, finished_at=row.finished_at, differences=found)
    if not proof.runs or not before:
        return None
    found = differences(before[0], proof.runs[0])
    return Compared(verification=row.previous_id, finished_at=row.previous_finished_at, differences=found)


def outlined(proof: Proof) -> Proof:
    """What somebody without a license learns: how everything ended and how long it took."""
    return Proof(verification=proof.verification, scenarios=[_outlined(item) for item in proof.scenarios])


def _outlined(proof: ScenarioProof) -> ScenarioProof:
    return ScenarioProof(
        scenario=proof.scenario,
        verdict=proof.verdict,
        reason=proof.reason,
        runs=[_outline_of(run) for run in proof.runs],
        runs_known=proof.runs_known,
        outcomes_known=proof.outcomes_known,
    )


def _outline_of(run: Evidence) -> Evidence:
    return Evidence(
        replay_id=run.replay_id,
        outcome=run.outcome,
        code=run.code,
        duration_seconds=run.duration_seconds,
        steps=[_step_outline(step) for step in run.steps],
        undo=[_step_outline(step) for step in run.undo],
        outcome_digest=run.outcome_digest,
    )


def _step_outline(step: StepSeen) -> StepSeen:
    return StepSeen(
        id=step.id, title=step.title, action=step.action, status=step.status, duration_seconds=step.duration_seconds
    )

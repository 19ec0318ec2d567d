"""Writing down what a verification saw, if it is still ours to write."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.db import transaction
from django.db.models.functions import Now

from accounts.actors import SYSTEM
from accounts.services import audit, outbox
from experiences.access import concerned_organizations
from experiences.domain import evidence_store
from experiences.domain.storable import storable, storable_text
from experiences.domain.verdicts import with_history
from experiences.models import Environment, EvidenceRecord, ScenarioResult, Verification
from experiences.reverification import rules_for
from experiences.services.claim import held
from experiences.services.grading import keep_strength
from experiences.services.proving import Seen
from experiences.services.queueing import send
from experiences.services.standing import lock_version, refresh_standing
from keiken.replay.report import ScenarioVerdict

logger = logging.getLogger(__name__)


def conclude(row: Verification, seen: Seen) -> bool:
    """Whether it was written. A worker whose lease was given to another writes nothing."""
    with transaction.atomic(durable=True):
        current = held(row).select_for_update(of=("self",)).select_related("version__experience__organization").first()
        if current is None:
            logger.warning("the verdict of verification %s came too late and was dropped", row.pk)
            return False
        lock_version(current.version_id)
        _write(current, seen)
        refresh_standing(current.version_id)
        transaction.on_commit(lambda: request_attestation(current), robust=True)
    return True


def request_attestation(row: Verification) -> None:
    """A nudge to the signing worker; beat repeats it while the attestation is missing."""
    send("experiences.tasks.attest", "attest", [(str(row.pk),)])


def _write(row: Verification, seen: Seen) -> None:
    environment, _created = Environment.objects.update_or_create(
        name=seen.environment.name,
        digest=seen.environment.digest,
        defaults={"facts": storable(dict(seen.environment.facts))},
    )
    keep_strength(row, environment, seen.strength)
    before, last_verdict = _verdicts_before(row, environment), _last_verdict(row)
    results = ScenarioResult.objects.bulk_create(_result(row, verdict) for verdict in seen.verdicts)
    EvidenceRecord.objects.bulk_create(
        record
        for result, verdict in zip(results, seen.verdicts, strict=True)
        for record in evidence_of(result, verdict)
    )
    row.environment = environment
    row.verdict = with_history({verdict.scenario: verdict.verdict for verdict in seen.verdicts}, before)
    row.valid_days = rules_for(row.version.experience).max_age_days
    row.isolation = seen.capability.isolation
    row.state = Verification.State.DONE
    row.finished_at = Now()
    row.lease_token = row.lease_until = None
    row.operator_note = ""
    row.save()
    audit.record(
        actor=SYSTEM,
        action="verification.conclude",
        target=str(row.version),
        organization_id=row.version.experience.organization_id,
        details={"verification": str(row.pk), "environment": environment.name, "verdict": row.verdict},
    )
    _tell(row, last_verdict)


def _last_verdict(row: Verification) -> str:
    """Of the version in this environment, however it was built; empty for the first verification."""
    done = Verification.objects.filter(
        version_id=row.version_id, environment_name=row.environment_name, state=Verification.State.DONE
    )
    return done.order_by("-finished_at").values_list("verdict", flat=True).first() or ""


def _tell(row: Verification, last_verdict: str) -> None:
    experience = row.version.experience
    data = {
        "verification": str(row.pk),
        "experience": str(experience),
        "version": row.version.version,
        "environment": row.environment_name,
        "verdict": row.verdict,
        "trigger": row.trigger,
    }
    outbox.tell("verification.concluded", [experience.organization_id], data)
    if last_verdict and last_verdict != row.verdict:
        outbox.tell("verdict.changed", concerned_organizations(experience), {**data, "last_verdict": last_verdict})


def _result(row: Verification, verdict: ScenarioVerdict) -> ScenarioResult:
    return ScenarioResult(
        verification=row,
        scenario=verdict.scenario,
        verdict=verdict.verdict,
        reason=storable_text(verdict.reason),
        report=storable(verdict.report.model_dump(mode="json")),
    )


def evidence_of(result: ScenarioResult, verdict: ScenarioVerdict) -> Iterator[EvidenceRecord]:
    """What is kept of the runs that made a verdict; a verdict without a run has none."""
    for number, run in enumerate((verdict.evidence, verdict.repeated), start=1):
        if run is not None:
            yield EvidenceRecord(
                result=result, run=number, outcome_digest=run.outcome_digest, content=evidence_store.packed(run)
            )


def _verdicts_before(row: Verification, environment: Environment) -> dict[str, str]:
    """What the last verification saw in exactly this environment: another one is allowed to end differently."""
    last = (
        Verification.objects.filter(version_id=row.version_id, environment=environment, state=Verification.State.DONE)
        .order_by("-finished_at")
        .first()
    )
    return dict(last.results.values_list("scenario", "verdict")) if last else {}

"""Writing down what a verification saw, if it is still ours to write."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from celery import current_app
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.services import audit
from experiences.domain.verdicts import overall, with_history
from experiences.models import Environment, ScenarioResult, Verification
from keiken.replay import ScenarioVerdict
from keiken.sandbox import protocol

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What was seen, where, and how well it was confined."""

    environment: protocol.Environment
    capability: protocol.Capability
    verdicts: Sequence[ScenarioVerdict]


def conclude(row: Verification, seen: Seen) -> bool:
    """Whether it was written. A worker whose lease was given to another writes nothing."""
    with transaction.atomic(durable=True):
        current = Verification.objects.select_for_update().get(pk=row.pk)
        if current.state != Verification.State.RUNNING or current.lease_token != row.lease_token:
            logger.warning("the verdict of verification %s came too late and was dropped", row.pk)
            return False
        _write(current, seen)
        transaction.on_commit(lambda: request_attestation(current), robust=True)
    return True


def request_attestation(row: Verification) -> None:
    """A nudge to the signing worker; beat repeats it while the attestation is missing."""
    current_app.send_task("experiences.tasks.attest", [str(row.pk)], queue="attest", ignore_result=True)


def _write(row: Verification, seen: Seen) -> None:
    environment, _created = Environment.objects.get_or_create(
        name=seen.environment.name,
        digest=seen.environment.digest,
        defaults={"facts": dict(seen.environment.facts)},
    )
    ScenarioResult.objects.bulk_create(
        ScenarioResult(
            verification=row,
            scenario=verdict.scenario,
            verdict=verdict.verdict,
            reason=verdict.reason,
            report=verdict.report.model_dump(mode="json"),
        )
        for verdict in seen.verdicts
    )
    row.environment = environment
    row.verdict = with_history(overall(verdict.verdict for verdict in seen.verdicts), _previous_verdict(row))
    row.isolation = seen.capability.isolation
    row.state = Verification.State.DONE
    row.finished_at = timezone.now()
    row.lease_token = row.lease_until = None
    row.save()
    audit.record(
        actor=SYSTEM,
        action="verification.conclude",
        target=str(row.version),
        organization_id=row.version.experience.organization_id,
        details={"verification": str(row.pk), "environment": environment.name, "verdict": row.verdict},
    )


def _previous_verdict(row: Verification) -> str | None:
    return (
        Verification.objects.filter(
            version_id=row.version_id, environment_name=row.environment_name, state=Verification.State.DONE
        )
        .order_by("-finished_at")
        .values_list("verdict", flat=True)
        .first()
    )

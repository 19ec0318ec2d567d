"""Signing what a verification saw, what the version's verdicts say together, and logging both in one transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.actors import SYSTEM
from accounts.services import audit
from experiences.models import Attestation, Verification
from experiences.selectors import valid_until
from experiences.services.append_to_log import Loggable, append, lock_head
from experiences.services.grading import figures_of
from experiences.services.signing import signing_key
from experiences.services.standing import lock_version, refresh_standing
from experiences.services.summarize import summarize
from keiken.trust import Verified, sign, verification_statement


def attest(*, verification_id: str) -> Attestation | None:
    """The attestation of a concluded verification; there is only ever one. None while it is not concluded."""
    with transaction.atomic(durable=True):
        row = (
            Verification.objects.select_for_update(of=("self",))
            .select_related("version__experience__organization", "environment")
            .filter(pk=verification_id, state=Verification.State.DONE)
            .first()
        )
        if row is None:
            return None
        known = Attestation.objects.filter(verification=row).first()
        if known is not None:
            return known
        lock_version(row.version_id)
        # Whoever rotates the key locks the head, too: what is signed here is logged before that key retires.
        head = lock_head()
        key = signing_key()
        attestation = Attestation.objects.create(verification=row, envelope=sign(statement_of(row), key))
        summary = summarize(attestation, key)
        entries = [
            Loggable(kind="attestation", envelope=attestation.envelope, attestation=attestation),
            Loggable(kind="summary", envelope=summary.envelope, summary=summary),
        ]
        append(head, entries, key)
        refresh_standing(row.version_id)
        audit.record(
            actor=SYSTEM,
            action="verification.attest",
            target=str(row.version),
            organization_id=row.version.experience.organization_id,
            details={"attestation": str(attestation.pk), "key": key.public.key_id},
        )
    return attestation


def statement_of(row: Verification) -> dict[str, Any]:
    """The in-toto statement of a concluded row, from what the database holds alone."""
    assert row.environment is not None, "a concluded verification names its environment"
    assert row.finished_at is not None, "the database keeps done and finished_at together"
    results = list(row.results.order_by("scenario"))
    executors = [result.report["executor"] for result in results if result.report.get("executor")]
    return verification_statement(
        Verified(
            reference=str(row.version),
            package_digest=row.version.blob_id,
            verdict=row.verdict,
            environment=row.environment.name,
            environment_digest=row.environment.digest,
            facts=row.environment.facts,
            driver=executors[0]["driver"] if executors else "",
            isolation=row.isolation,
            replayer=next((result.report["replayer"] for result in results if result.report.get("replayer")), ""),
            scenarios={result.scenario: result.verdict for result in results},
            trigger=row.trigger,
            attempt=row.attempts,
            verified_at=row.finished_at,
            valid_until=valid_until(row),
            check_strength=figures_of(row),
            network=[
                f"{one['host']}:{one['port']}"
                for result in results
                for one in result.report.get("network", ())
                if not one["code"]
            ],
        )
    )

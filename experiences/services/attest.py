"""Signing what a verification saw. Only this module opens the signing key, and only the signing worker calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.actors import SYSTEM
from accounts.services import audit
from experiences.models import Attestation, PublicKey, Verification
from experiences.services.standing import lock_version, refresh_standing
from keiken.trust import SigningKey, Verified, sign, verification_statement


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
        key = signing_key()
        lock_version(row.version_id)
        attestation = Attestation.objects.create(verification=row, envelope=sign(statement_of(row), key))
        refresh_standing(row.version_id)
        audit.record(
            actor=SYSTEM,
            action="verification.attest",
            target=str(row.version),
            organization_id=row.version.experience.organization_id,
            details={"attestation": str(attestation.pk), "key": key.public.key_id},
        )
    return attestation


def signing_key() -> SigningKey:
    """The marketplace's key; made at first use, its public half recorded for everybody to pin."""
    key = SigningKey.load_or_make(Path(settings.KEIKEN.signing_key_path))
    PublicKey.objects.get_or_create(key_id=key.public.key_id, defaults={"public_key": key.public.as_base64()})
    return key


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
        )
    )

"""The verification summary of a version: signed anew with every attestation, so it never says less than they do."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from experiences.domain.verdicts import NEUTRAL, Concluded, proven_since
from experiences.models import Attestation, Summary, Verification, Version
from keiken import __version__
from keiken.trust import SigningKey, sign
from keiken.trust.log import canonical, envelope_digest
from keiken.trust.summaries import Summarized, summary_statement


def summarize(attestation: Attestation, key: SigningKey) -> Summary:
    """Sign what all attestations of the version say now that there is this one, in the caller's transaction."""
    version = attestation.verification.version
    rows = list(
        Verification.objects.filter(version=version, state=Verification.State.DONE, attestation__isnull=False)
        .select_related("attestation")
        .order_by("environment_name", "-finished_at")
        .distinct("environment_name")
    )
    last = [Concluded(row.verdict, row.finished_at, True) for row in rows if row.finished_at]
    is_doubted, proven_at = proven_since(last)
    now = timezone.now()
    statement = summary_statement(
        Summarized(
            reference=str(version),
            package_digest=version.blob_id,
            resource=address(version),
            verifier=settings.KEIKEN.site_url,
            replayer=__version__,
            is_passing=not is_doubted and proven_at is not None,
            policy=f"{settings.KEIKEN.site_url}/api/v1/verification-policy",
            policy_digest="sha256:" + hashlib.sha256(canonical(policy())).hexdigest(),
            inputs={
                envelope_digest(row.attestation.envelope): f"{address(version)}/attestations#{row.attestation.pk}"
                for row in rows
            },
            environments={row.environment_name: row.verdict for row in rows},
            verified_at=now,
            valid_until=(proven_at or now) + validity(),
        )
    )
    return Summary.objects.create(
        version=version,
        attestation=attestation,
        is_passing=not is_doubted and proven_at is not None,
        envelope=sign(statement, key),
    )


def policy() -> dict[str, Any]:
    """By which rules a version counts as proven; its digest is in each summary."""
    return {
        "rule": "the last verdict of every environment that is not neutral is passed, signed and not expired",
        "neutral": sorted(NEUTRAL),
        "valid_days": settings.KEIKEN.reverify_days,
        "minimum_isolation": settings.KEIKEN.min_isolation,
    }


def validity() -> timedelta:
    return timedelta(days=settings.KEIKEN.reverify_days)


def address(version: Version) -> str:
    experience = version.experience
    path = f"/api/v1/experiences/{experience.organization.slug}/{experience.name}/versions/{version.version}"
    return settings.KEIKEN.site_url + path

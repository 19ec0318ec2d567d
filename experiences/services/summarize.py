"""The verification summary of a version: signed anew with every attestation, so it never says less than they do."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from experiences.domain.reverification import Rules
from experiences.domain.verdicts import NEUTRAL, standing_of
from experiences.models import AppliedPolicy, Attestation, Summary, Verification, Version
from experiences.reverification import rules_for
from experiences.selectors import concluded_of
from keiken import __version__
from keiken.trust import SigningKey, sign
from keiken.trust.log import canonical, envelope_digest
from keiken.trust.summaries import Summarized, summary_statement


def summarize(attestation: Attestation, key: SigningKey) -> Summary:
    """Sign what all attestations of the version say now that there is this one, in the caller's transaction."""
    version = attestation.verification.version
    rows = list(
        Verification.objects.filter(
            version=version, state=Verification.State.DONE, is_trial=False, attestation__isnull=False
        )
        .select_related("attestation")
        .order_by("environment_name", "-finished_at")
        .distinct("environment_name")
    )
    standing = standing_of(concluded_of(row, is_signed=True) for row in rows)
    applied = _applied(version)
    now = timezone.now()
    statement = summary_statement(
        Summarized(
            reference=str(version),
            package_digest=version.blob_id,
            resource=address(version),
            verifier=settings.KEIKEN.site_url,
            replayer=__version__,
            is_passing=standing.proven_at is not None,
            policy=f"{settings.KEIKEN.site_url}/api/v1/verification-policies/{applied.digest}",
            policy_digest=applied.digest,
            inputs={
                envelope_digest(row.attestation.envelope): f"{address(version)}/attestations#{row.attestation.pk}"
                for row in rows
            },
            environments={row.environment_name: row.verdict for row in rows},
            verified_at=now,
            valid_until=standing.proven_until or now + timedelta(days=rules_for(version.experience).max_age_days),
        )
    )
    return Summary.objects.create(
        version=version,
        attestation=attestation,
        is_passing=standing.proven_at is not None,
        envelope=sign(statement, key),
    )


def policy(rules: Rules) -> dict[str, Any]:
    """By which rules a version counts as proven and is proven again; the digest of these is in each summary."""
    return {
        "rule": "the last verdict of every environment that is not neutral is passed, signed and not expired",
        "neutral": sorted(NEUTRAL),
        "valid_days": rules.max_age_days,
        "minimum_isolation": settings.KEIKEN.min_isolation,
        "minimum_check_strength": settings.KEIKEN.min_check_strength,
        "reverification": rules.document(),
    }


def _applied(version: Version) -> AppliedPolicy:
    """The rules that apply to it now, kept so that whoever has a summary can read what it was made by."""
    document = policy(rules_for(version.experience))
    digest = "sha256:" + hashlib.sha256(canonical(document)).hexdigest()
    return AppliedPolicy.objects.get_or_create(digest=digest, defaults={"document": document})[0]


def address(version: Version) -> str:
    experience = version.experience
    path = f"/api/v1/experiences/{experience.organization.slug}/{experience.name}/versions/{version.version}"
    return settings.KEIKEN.site_url + path

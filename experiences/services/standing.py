"""Keeping a version's standing in step with its verdicts."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from experiences.domain.verdicts import standing_of
from experiences.models import SearchEntry, Verification, Version
from experiences.selectors import concluded_of


def lock_version(version_id: int) -> None:
    """Two verdicts about a version are written one after the other, so that the second sees the first.

    Call it before the verification's row is changed: a request for another proof locks the version, too, and then
    waits for a change of that row.
    """
    Version.objects.select_for_update(no_key=True).only("pk").get(pk=version_id)


def refresh_standing(version_id: int) -> None:
    """Call it in the transaction that wrote a verdict or an attestation, after ``lock_version``."""
    found = standing_of(
        concluded_of(row, is_signed=row.attested_at is not None) for row in _last_rows(version_id) if not row.is_trial
    )
    proven = Version.Standing.PROVEN if found.proven_at else ""
    Version.objects.filter(pk=version_id).update(
        standing=Version.Standing.DOUBTED if found.is_doubted else proven, proven_at=found.proven_at
    )
    SearchEntry.objects.filter(version_id=version_id).update(environments=proven_environments(version_id))


def proven_environments(version_id: int) -> list[str]:
    """The environments in which the version's last verdict is a signed pass."""
    return [
        row.environment_name
        for row in _last_rows(version_id)
        if row.verdict == "passed" and row.attested_at is not None
    ]


def _last_rows(version_id: int) -> list[Any]:
    rows = (
        Verification.objects.filter(version_id=version_id, state=Verification.State.DONE, finished_at__isnull=False)
        .annotate(attested_at=F("attestation__created_at"))
        .order_by("environment_name", "-finished_at")
        .distinct("environment_name")
    )
    return list(rows)

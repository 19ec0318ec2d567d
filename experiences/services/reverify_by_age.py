"""Proving again what was proven long ago: a badge is only as good as its age."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import F, Max
from django.utils import timezone

from experiences.models import Verification
from experiences.services.enqueue_verification import enqueue

SHARE_OF_AGE = 0.8
"""A verdict is renewed before it expires, so that a badge does not blink."""


def reverify_by_age() -> int:
    """Enqueue every latest version whose last verdict in an environment is old. How many."""
    limit = timezone.now() - timedelta(days=settings.KEIKEN.reverify_days * SHARE_OF_AGE)
    rows = (
        Verification.objects.filter(version__experience__latest=F("version"), version__yanked_at__isnull=True)
        .values("version", "environment_name")
        .annotate(last=Max("finished_at"))
        .filter(last__lt=limit)
    )
    versions = {row.version_id: row.version for row in Verification.objects.select_related("version__experience").filter(
        version__in=[found["version"] for found in rows])}  # fmt: skip
    made = [
        enqueue(version=versions[found["version"]], environment_name=found["environment_name"], trigger="age")
        for found in rows
    ]
    return sum(row is not None for row in made)

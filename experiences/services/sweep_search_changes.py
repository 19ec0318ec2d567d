"""Removing the notes of changes that every process has read, or is too far behind to begin with."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from experiences.models import SearchChange
from experiences.search.shelf import CHANGES_KEPT_SECONDS


def sweep_search_changes() -> int:
    """How many were removed."""
    oldest = timezone.now() - timedelta(seconds=CHANGES_KEPT_SECONDS)
    return SearchChange.objects.filter(at__lt=oldest).delete()[0]

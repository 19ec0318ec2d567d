"""Removing bytes that no version names: what a refused or broken-off publish left in the store."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from experiences.blobs import delete_stored, stored_files
from experiences.models import Blob

GRACE = timedelta(days=1)
"""A publish stores the bytes first and names them a moment later."""


def sweep_blobs() -> int:
    """How many files were removed. A file that somebody is publishing right now stays, or is stored again by them."""
    oldest = timezone.now() - GRACE
    removed = 0
    for path, digest, written_at in stored_files():
        if written_at < oldest and _remove(path, digest):
            removed += 1
    return removed


def _remove(path: str, digest: str) -> bool:
    if not digest:
        delete_stored(path)
        return True
    with transaction.atomic():
        # While this row is uncommitted, a publisher of the same bytes waits at the same key.
        _row, is_orphan = Blob.objects.get_or_create(digest=digest, defaults={"size_bytes": 0})
        if is_orphan:
            delete_stored(path)
        transaction.set_rollback(True)
    return is_orphan

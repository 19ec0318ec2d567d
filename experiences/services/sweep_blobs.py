"""Removing bytes that no version names: what a refused or broken-off publish left in the store."""

from __future__ import annotations

from datetime import timedelta

from django.core.files.storage import default_storage
from django.utils import timezone

from experiences.models import Blob

GRACE = timedelta(days=1)
"""A publish stores the bytes first and names them a moment later."""


def sweep_blobs() -> int:
    """How many were removed."""
    removed = 0
    for first in default_storage.listdir("")[0]:
        for second in default_storage.listdir(first)[0]:
            folder = f"{first}/{second}"
            for name in default_storage.listdir(folder)[1]:
                path = f"{folder}/{name}"
                is_old = timezone.now() - default_storage.get_modified_time(path) > GRACE
                if is_old and not Blob.objects.filter(digest=f"sha256:{name}").exists():
                    default_storage.delete(path)
                    removed += 1
    return removed

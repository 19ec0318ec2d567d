"""Celery's way into licensing."""

from __future__ import annotations

from celery import shared_task

from licensing.services.end_grants import end_grants


@shared_task(name="licensing.tasks.end_grants")
def end_grants_task() -> int:
    return end_grants()

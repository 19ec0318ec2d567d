"""Celery's way into the shop front: each task calls one use case. A message is a nudge; the rows are the jobs."""

from __future__ import annotations

from celery import shared_task

from marketplace.services.refresh_quality import BATCH
from marketplace.services.refresh_quality import refresh_quality as refresh_due
from marketplace.services.write_exports import write_exports

ROUNDS = 50


@shared_task(name="marketplace.tasks.refresh_quality", acks_late=True, ignore_result=True)
def refresh_quality() -> int:
    """Until nothing is due; a very long queue goes on with the next message."""
    total = 0
    for _round in range(ROUNDS):
        done = refresh_due()
        total += done
        if done < BATCH:
            break
    return total


@shared_task(name="marketplace.tasks.write_exports", acks_late=True)
def write_exports_task() -> int:
    return write_exports()

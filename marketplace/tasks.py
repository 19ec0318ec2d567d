"""Celery's way into the shop front: each task calls one use case. A message is a nudge; the rows are the jobs."""

from __future__ import annotations

from celery import shared_task

from marketplace.services.refresh_quality import BATCH
from marketplace.services.refresh_quality import refresh_quality as refresh_due
from marketplace.services.scoring import nudge
from marketplace.services.write_exports import write_exports


@shared_task(name="marketplace.tasks.refresh_quality", acks_late=True, ignore_result=True)
def refresh_quality() -> int:
    """One batch; a longer queue goes on with the next message, so that other work of this worker gets its turn."""
    done = refresh_due()
    if done == BATCH:
        nudge()
    return done


@shared_task(name="marketplace.tasks.write_exports", acks_late=True)
def write_exports_task() -> int:
    return write_exports()

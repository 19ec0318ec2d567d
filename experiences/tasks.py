"""Celery's way into experiences: each task calls one use case. A message is a nudge; the rows are the jobs."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from experiences.services.attest import attest as attest_verification
from experiences.services.nudge import nudge as nudge_all
from experiences.services.reverify_by_age import reverify_by_age as enqueue_aged
from experiences.services.sweep_blobs import sweep_blobs as remove_orphans
from experiences.services.verify import verify_next


@shared_task(name="experiences.tasks.verify", acks_late=True)
def verify() -> str | None:
    row = verify_next(environment_names=settings.KEIKEN.environment_names)
    return None if row is None else f"{row.pk} {row.verdict or row.state}"


@shared_task(name="experiences.tasks.attest", acks_late=True)
def attest(verification_id: str) -> None:
    attest_verification(verification_id=verification_id)


@shared_task(name="experiences.tasks.nudge", ignore_result=True)
def nudge() -> None:
    nudge_all()


@shared_task(name="experiences.tasks.reverify_by_age")
def reverify_by_age() -> int:
    return enqueue_aged()


@shared_task(name="experiences.tasks.sweep_blobs")
def sweep_blobs() -> int:
    return remove_orphans()

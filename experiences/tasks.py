"""Celery's way into experiences: each task calls one use case. A message is a nudge; the rows are the jobs."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

from celery import Task, shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import connection

from experiences.services.announce import claimable, forget_gone, keep_announcing
from experiences.services.append_to_log import append_missing
from experiences.services.attest import attest as attest_verification
from experiences.services.embed_listings import embed_listings as embed_due
from experiences.services.explore_frontier import explore_next
from experiences.services.nudge import nudge as nudge_all
from experiences.services.reverify_by_age import reverify_by_age as enqueue_aged
from experiences.services.reverify_by_environment import reverify_changed_environments, try_new_environments
from experiences.services.signing import signing_key
from experiences.services.sweep_blobs import sweep_blobs as remove_orphans
from experiences.services.sweep_search_changes import sweep_search_changes as remove_read_changes
from experiences.services.verify import KEPT_SECONDS, verify_next
from experiences.services.want_missing_embeddings import want_missing_embeddings as want_missing
from experiences.services.write_progress import forget_progress as forget_old_progress

SIGNING_QUEUE = "attest"
PROVING_QUEUE = "verify"
_is_stopping = threading.Event()


@shared_task(name="experiences.tasks.verify", bind=True, acks_late=True, time_limit=KEPT_SECONDS + 60)
def verify(self: Task[[], str | None]) -> str | None:
    name = self.request.hostname or f"task@{socket.gethostname()}"
    held = claimable(name=name, configured=settings.KEIKEN.environment_names)
    worker = f"{name} {os.getpid()}"
    row = verify_next(environment_names=held, worker=worker) if held else None
    if row is not None:
        return f"{row.pk} {row.verdict or row.state}"
    frontier = explore_next(environment_names=held, worker=worker) if held else None
    return None if frontier is None else f"frontier {frontier.pk} {frontier.state}"


@shared_task(name="experiences.tasks.attest", acks_late=True)
def attest(verification_id: str) -> None:
    attest_verification(verification_id=verification_id)


@shared_task(name="experiences.tasks.record_signing_key", acks_late=True)
def record_signing_key() -> str:
    return signing_key().public.key_id


@shared_task(name="experiences.tasks.append_to_log", acks_late=True)
def append_to_log() -> int:
    return append_missing()


@shared_task(name="experiences.tasks.nudge", ignore_result=True)
def nudge() -> None:
    nudge_all()


@shared_task(name="experiences.tasks.reverify_by_age")
def reverify_by_age() -> int:
    return enqueue_aged()


@shared_task(name="experiences.tasks.reverify_by_environment")
def reverify_by_environment() -> dict[str, int]:
    return {"changed": reverify_changed_environments(), "new": try_new_environments()}


@shared_task(name="experiences.tasks.forget_gone_workers")
def forget_gone_workers() -> int:
    return forget_gone()


@shared_task(name="experiences.tasks.forget_progress")
def forget_progress() -> int:
    return forget_old_progress()


@shared_task(name="experiences.tasks.embed_listings", acks_late=True)
def embed_listings() -> int:
    return embed_due()


@shared_task(name="experiences.tasks.want_missing_embeddings")
def want_missing_embeddings() -> int:
    return want_missing()


@shared_task(name="experiences.tasks.sweep_blobs")
def sweep_blobs() -> int:
    return remove_orphans()


@shared_task(name="experiences.tasks.sweep_search_changes")
def sweep_search_changes() -> int:
    return remove_read_changes()


@worker_ready.connect
def _record_key_at_start(sender: Any = None, **_arguments: Any) -> None:
    """The signing worker shows its key before anybody asks, so that the first login can pin it."""
    if SIGNING_QUEUE in sender.app.amqp.queues.consume_from:
        signing_key()
        connection.close()


@worker_ready.connect
def _announce_from_start(sender: Any = None, **_arguments: Any) -> None:
    """What this worker holds is known before a verification waits for it, and while one of its slots is busy."""
    if PROVING_QUEUE in sender.app.amqp.queues.consume_from:
        names = settings.KEIKEN.environment_names
        arguments = {
            "name": sender.hostname,
            "configured": names,
            "slots": sender.pool.limit or 1,
            "until": _is_stopping,
        }
        threading.Thread(target=keep_announcing, kwargs=arguments, name="announcements", daemon=True).start()


@worker_shutting_down.connect
def _stop_announcing(**_arguments: Any) -> None:
    _is_stopping.set()

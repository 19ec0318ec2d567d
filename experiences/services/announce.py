"""A worker says what it can prove in, and goes on saying that it lives."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from experiences.models import Verification, Worker
from experiences.selectors import GONE
from experiences.services.claim import tell_waiting
from keiken.errors import KeikenError
from keiken.sandbox import environments, working_driver
from keiken.workspace import sweep

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5
LOOK_AGAIN_BEATS = 12
"""After so many heartbeats a worker looks again at what it holds: an environment may have been built meanwhile. It also
clears away what killed workers of its machine left on disk."""
FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True)
class Holding:
    """What a worker can prove in, or why it cannot. ``environments`` maps names to digests."""

    driver: str = ""
    isolation: str = ""
    environments: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def look_around(names: Sequence[str]) -> Holding:
    """Try the sandbox and open each named environment; one that is missing is built where that is possible."""
    try:
        capability = working_driver(policy=settings.KEIKEN.sandbox_policy).probe()
    except KeikenError as error:
        return Holding(lacking=dict.fromkeys(names, _words(error)))
    holding = Holding(driver=capability.driver, isolation=capability.isolation)
    for name in names:
        try:
            holding.environments[name] = environments.get_or_local(name).digest
        except KeikenError as error:
            holding.lacking[name] = _words(error)
    return holding


def announce(*, name: str, holding: Holding, slots: int) -> Worker:
    """The worker's row, seen now. Whether it drains is the operator's word and stays."""
    worker, _created = Worker.objects.update_or_create(
        name=name,
        defaults={
            "host": socket.gethostname()[:100],
            "environments": holding.environments,
            "driver": holding.driver,
            "isolation": holding.isolation,
            "slots": slots,
            "note": "\n".join(dict.fromkeys(holding.lacking.values())),
            "seen_at": Now(),
        },
    )
    for environment, why in holding.lacking.items():
        if environment not in held_somewhere():
            tell_waiting(environments=[environment], note=why)
    return worker


def claimable(*, name: str, configured: Sequence[str], slots: int = 1) -> list[str]:
    """The environments this worker may claim for now; none while it drains."""
    worker = Worker.objects.filter(name=name, seen_at__gte=Now() - GONE).first()
    if worker is None:
        worker = announce(name=name, holding=look_around(configured), slots=slots)
    return [] if worker.is_draining else [item for item in configured if item in worker.environments]


def held_somewhere() -> set[str]:
    """The environments that some live worker, draining or not, can prove in."""
    live = Worker.objects.filter(seen_at__gte=Now() - GONE)
    return {name for held in live.values_list("environments", flat=True) for name in held}


def forget_gone() -> int:
    """Drop the rows of workers that have not been seen for a day. How many."""
    return Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN).delete()[0]


def set_draining(*, name: str, is_draining: bool) -> int:
    """Tell one worker, or with an empty name all known ones, to claim nothing more or to go on. How many were told."""
    workers = Worker.objects.filter(name=name) if name else Worker.objects.all()
    return workers.update(is_draining=is_draining)


def running(name: str) -> int:
    """How many verifications this worker, or any for an empty name, holds right now."""
    rows = Verification.objects.filter(state=Verification.State.RUNNING)
    return rows.filter(worker__startswith=f"{name} ").count() if name else rows.count()


def keep_announcing(*, name: str, configured: Sequence[str], slots: int, until: threading.Event) -> None:
    """Announce at once and then at every heartbeat, in a thread of its own; a database that is away is waited for."""
    holding, beats = Holding(), 0
    while True:
        if beats % LOOK_AGAIN_BEATS == 0:
            holding = look_around(configured)
            sweep()
        beats += 1
        try:
            announce(name=name, holding=holding, slots=slots)
        except DatabaseError:
            logger.warning("worker %s could not announce itself; it tries again", name, exc_info=True)
        finally:
            connection.close()
        if until.wait(HEARTBEAT_SECONDS):
            return


def _words(error: KeikenError) -> str:
    return f"{error.message} {error.advice}".strip()

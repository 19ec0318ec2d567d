"""Proving the next version that waits: in a sandbox, outside any transaction, while the lease is kept alive."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection

from experiences.domain.progress import Entries
from experiences.models import Verification
from experiences.services.claim import claim, extend_lease, give_back, pause_seconds, tell_waiting
from experiences.services.conclude import conclude
from experiences.services.proving import BUDGET_SECONDS, look
from experiences.services.write_progress import ProgressWriter
from keiken.errors import KeikenError, SandboxUnavailable
from keiken.sandbox import working_driver
from keiken.sandbox.protocol import Driver

logger = logging.getLogger(__name__)

NO_ENVIRONMENT_SECONDS = 30
PROGRESS_SECONDS = 1
KEPT_SECONDS = 2 * BUDGET_SECONDS
"""No proof takes longer; a worker that hangs must lose its lease although its heartbeat goes on."""


def verify_next(*, environment_names: Sequence[str], worker: str = "") -> Verification | None:
    """Claim the next one, prove it, conclude it. None when nothing waits, or when nothing can run here.

    Trouble of ours (no sandbox, a full disk, a bug) never becomes a verdict: the row waits again and says why. An
    unexpected exception is raised on after that.
    """
    try:
        driver = working_driver(policy=settings.KEIKEN.sandbox_policy)
    except SandboxUnavailable as error:
        # Nothing is claimed: the rows wait for a worker that can, and say what this one lacks.
        tell_waiting(environments=environment_names, note=_note(error))
        logger.warning("no verification can run here: %s", _note(error))
        return None
    row = claim(environments=environment_names, worker=worker)
    if row is None:
        return None
    _carry_out(row, driver)
    row.refresh_from_db()
    return row


def _carry_out(row: Verification, driver: Driver) -> None:
    entries = Entries()
    entries.add("attempt", attempt=row.attempts, environment=row.environment_name)
    try:
        with kept_alive(row, ProgressWriter(row, entries)):
            seen = look(row, driver, entries.add)
        conclude(row, seen)
    except SandboxUnavailable as error:
        # No attempt: nothing was tried, and it is to be proven as soon as there is a sandbox.
        give_back(row, note=_note(error), seconds=NO_ENVIRONMENT_SECONDS, burns_attempt=False)
        logger.warning("verification %s waits: %s", row.pk, _note(error))
    except (KeikenError, OSError) as error:
        _retry_later(row, _note(error) if isinstance(error, KeikenError) else str(error))
    except Exception as error:
        _retry_later(row, f"{type(error).__name__}; the worker's log tells more.")
        raise


def _retry_later(row: Verification, why: str) -> None:
    seconds = pause_seconds(row.attempts)
    note = f"Attempt {row.attempts} ended without a verdict: {why}"
    give_back(row, note=note, seconds=seconds, burns_attempt=True)
    logger.exception("verification %s is tried again in %.0f s. %s", row.pk, seconds, note)


def _note(error: KeikenError) -> str:
    return f"{error.message} {error.advice}".strip()


@contextmanager
def kept_alive(row: Verification, progress: ProgressWriter) -> Iterator[None]:
    """From a thread of its own, extend the lease, so that a slow proof is not taken for a dead worker, and tell how
    far it is.
    """
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(row, done, progress), name=f"lease of {row.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(row: Verification, done: threading.Event, progress: ProgressWriter) -> None:
    deadline = time.monotonic() + KEPT_SECONDS
    every = settings.KEIKEN.lease_seconds / 3
    extend_at = time.monotonic() + every
    try:
        while not done.wait(min(PROGRESS_SECONDS, every)) and time.monotonic() < deadline:
            _tell(progress)
            if time.monotonic() < extend_at:
                continue
            if not _extended(row):
                logger.warning("verification %s was given to another worker", row.pk)
                return
            extend_at = time.monotonic() + every
        _tell(progress)
    finally:
        connection.close()


def _tell(progress: ProgressWriter) -> None:
    try:
        progress.write()
    except DatabaseError:
        # Who watches waits a little; the proof does not.
        logger.warning("how far a verification is could not be written down", exc_info=True)
        connection.close()


def _extended(row: Verification) -> bool:
    try:
        return extend_lease(row)
    except DatabaseError:
        # The database may be back before the lease ends; if not, another worker will have the row.
        logger.warning("the lease of verification %s could not be extended", row.pk, exc_info=True)
        connection.close()
        return True

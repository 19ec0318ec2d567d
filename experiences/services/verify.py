"""Proving the next version that waits: outside any transaction, in a sandbox, while the lease is kept alive."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from experiences.blobs import open_blob
from experiences.models import Verification
from experiences.services.claim import claim, extend_lease, give_back
from experiences.services.conclude import Seen, conclude
from keiken.errors import KeikenError, PackageError, SandboxUnavailable
from keiken.package import Package, digest, unpack
from keiken.replay import ScenarioVerdict, prove
from keiken.sandbox import environments, working_driver
from keiken.sandbox.protocol import Environment

logger = logging.getLogger(__name__)

RETRY_SECONDS = (10, 60, 300, 1800)
NO_SANDBOX_SECONDS = 5


def verify_next(*, environment_names: Sequence[str]) -> Verification | None:
    """Claim the next one, prove it, conclude it. None when nothing waits.

    Trouble of ours (no sandbox, a full disk, a bug) never becomes a verdict: the row waits again and says why.
    """
    row = claim(environments=environment_names)
    if row is None:
        return None
    try:
        with _kept_alive(row):
            seen = _prove(row)
        conclude(row, seen)
    except SandboxUnavailable as error:
        # Not an attempt: nothing was tried, and it must be proven as soon as there is a sandbox.
        note = f"{error.message} {error.advice}".strip()
        give_back(row, note=note, seconds=NO_SANDBOX_SECONDS, burns_attempt=False)
        logger.warning("verification %s waits: %s", row.pk, note)
    except Exception as error:
        pause = RETRY_SECONDS[min(row.attempts, len(RETRY_SECONDS)) - 1]
        message = error.message if isinstance(error, KeikenError) else type(error).__name__
        give_back(row, note=f"attempt {row.attempts}: {message}", seconds=pause, burns_attempt=True)
        logger.exception("verification %s could not be carried out and is tried again in %s s", row.pk, pause)
    row.refresh_from_db()
    return row


class _OurTrouble(KeikenError):
    """A scenario ended in ``error``: nothing was learned."""


def _prove(row: Verification) -> Seen:
    driver = working_driver()
    environment = environments.get_or_local(row.environment_name)
    capability = driver.probe()
    with tempfile.TemporaryDirectory(prefix="keiken-verify-") as folder:
        # The job's user must be able to pass through; the folder holds nothing but a published package.
        Path(folder).chmod(0o755)
        package = _fetch(row, Path(folder) / "package")
        verdicts = list(_verdicts(row, package, driver, environment))
    trouble = next((verdict for verdict in verdicts if verdict.verdict == "error"), None)
    if trouble is not None:
        raise _OurTrouble("verification_error", trouble.reason)
    return Seen(environment=environment, capability=capability, verdicts=verdicts)


def _fetch(row: Verification, folder: Path) -> Package:
    expected = row.version.blob_id
    with open_blob(expected) as file:
        data = file.read()
    if digest(data) != expected:
        raise PackageError("digest_mismatch", f"The stored bytes of {row.version} are damaged.")
    return unpack(data, folder)


def _verdicts(
    row: Verification, package: Package, driver: object, environment: Environment
) -> Iterator[ScenarioVerdict]:
    for scenario in package.manifest.scenarios:
        if row.environment_name in scenario.environments:
            yield prove(package, scenario, driver=driver, environment=environment)  # type: ignore[arg-type]  # a Driver


@contextmanager
def _kept_alive(row: Verification) -> Iterator[None]:
    """Extend the lease from a thread of its own, so that a slow proof is not taken for a dead worker."""
    done = threading.Event()

    def beat() -> None:
        try:
            while not done.wait(settings.KEIKEN.lease_seconds / 3):
                if not extend_lease(row):
                    logger.warning("verification %s was given to another worker", row.pk)
                    return
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

"""Starts the test services once for the whole run and stops them after it."""

from __future__ import annotations

import os

import psycopg
import pytest


def _is_controller() -> bool:
    return "PYTEST_XDIST_WORKER" not in os.environ


def pytest_configure(config: pytest.Config) -> None:
    if not _is_controller():
        return
    from marketplace import embedded
    from tests import settings

    embedded.start(
        settings.SERVICES_DIR, postgres=settings.USES_EMBEDDED_POSTGRES, valkey=settings.USES_EMBEDDED_VALKEY
    )
    if settings.USES_EMBEDDED_POSTGRES:
        with psycopg.connect(embedded.database_url(settings.SERVICES_DIR), autocommit=True) as connection:
            # A test database may be lost with the machine; that is worth not waiting for the disk.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET synchronous_commit = off")
            connection.execute("SELECT pg_reload_conf()")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_controller():
        return
    from marketplace import embedded
    from tests import settings

    if os.environ.get("KEIKEN_KEEP_TEST_SERVICES"):
        return
    embedded.stop(settings.SERVICES_DIR)

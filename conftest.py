"""Starts the test services once for the whole run and stops them after it, and deals the tests out."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import hypothesis
import psycopg
import pytest

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("keiken", deadline=None)
hypothesis.settings.load_profile("keiken")
TABLES = pytest.StashKey[threading.Thread]()


def _is_controller() -> bool:
    return "PYTEST_XDIST_WORKER" not in os.environ


def pytest_configure(config: pytest.Config) -> None:
    if not _is_controller():
        return
    from marketplace import embedded
    from tests import settings, tables

    embedded.start(
        settings.SERVICES_DIR, postgres=settings.USES_EMBEDDED_POSTGRES, valkey=settings.USES_EMBEDDED_VALKEY
    )
    if settings.USES_EMBEDDED_POSTGRES:
        with psycopg.connect(embedded.database_url(settings.SERVICES_DIR), autocommit=True) as connection:
            # A test database may be lost with the machine; that is worth not waiting for the disk.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET synchronous_commit = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
            # Between tests all tables are empty. Who counts them then lets the planner read whole tables for one row.
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("ALTER SYSTEM SET jit = off")
            connection.execute("SELECT pg_reload_conf()")
    # Where they are not there yet, they are made while the test processes look for their tests.
    config.stash[TABLES] = threading.Thread(target=tables.template)
    config.stash[TABLES].start()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test process begins with its part of the slow tests, folder by folder, and goes on with quick ones.

    Of those, others can take some over when they have nothing left; nobody can help with a test that takes a minute.
    The slow tests of a folder share a browser, a web server or a market, which one process makes then.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    folders: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("slow"):
            folders.setdefault(item.path.parent, []).append(item)
    slow = list(folders.values())
    quick = [item for item in items if not item.get_closest_marker("slow")]
    dealt: list[pytest.Item] = []
    for process in range(processes):
        # As many as xdist's scheduler gives to each.
        share = (len(items) - len(dealt)) // (processes - process)
        own = [item for folder in slow[process::processes] for item in folder]
        rest = max(0, share - len(own))
        dealt += [*own, *quick[:rest]]
        del quick[:rest]
    items[:] = dealt


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_controller():
        return
    from marketplace import embedded
    from tests import settings

    if tables := config.stash.get(TABLES, None):
        tables.join()
    if os.environ.get("KEIKEN_KEEP_TEST_SERVICES"):
        return
    embedded.stop(settings.SERVICES_DIR)

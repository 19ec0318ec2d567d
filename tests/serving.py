"""The web server before the test database, and what its processes are told of where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from marketplace.supervisor import Stack, free_port


def stack_environ(port: int | None = None) -> dict[str, str]:
    """This process's environment, pointed at the test database and broker by their addresses alone."""
    database = connection.settings_dict
    host = quote(str(database["HOST"]), safe="")
    database_port = f":{database['PORT']}" if database["PORT"] else ""
    password = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    address = f"{database['USER']}{password}@{host}{database_port}/{quote(database['NAME'])}"
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        "DATABASE_URL": f"postgresql://{address}",
        "REDIS_URL": settings.REDIS_URL,
        "KEIKEN_NUDGE_SECONDS": "1",
        "KEIKEN_LEASE_SECONDS": "5",
    }
    if port is not None:
        environ["KEIKEN_PORT"] = str(port)
    environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)  # for tests that drive a browser, and for nobody else
    return environ


@contextmanager
def serving(logs: Path) -> Iterator[int]:
    """The web server on a port of its own."""
    port = free_port()
    with Stack(logs, stack_environ(port)) as stack:
        stack.start_web("127.0.0.1", port)
        yield port

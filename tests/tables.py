"""The tables are made once by the migrations and copied for every test process, which would else migrate by itself."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from marketplace.config import PROJECT

PREFIX = "keiken_tables_"
LOCK = 0x6B656E  # one process makes them, the others wait
TIMEOUT_SECONDS = 300


def template() -> str:
    """The name of a database with the tables of exactly these migrations and libraries; made where it is not there."""
    url = os.environ["DATABASE_URL"]
    name = PREFIX + _digest()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        found = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        names = {row[0] for row in found}
        if name not in names:
            for old in names:
                connection.execute(SQL("DROP DATABASE {}").format(Identifier(old)))
            unfinished = f"{name}_unfinished"
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(unfinished)))
            _migrate(urlsplit(url)._replace(path=f"/{unfinished}").geturl())
            connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(unfinished), Identifier(name)))
    return name


def _digest() -> str:
    sources = [*PROJECT.glob("*/migrations/*.py"), *(PROJECT / "requirements").glob("*.txt")]
    whole = hashlib.sha256()
    for path in sorted(sources):
        whole.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def _migrate(url: str) -> None:
    subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "migrate", "--verbosity", "0"],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "marketplace.settings"},
        check=True,
        timeout=TIMEOUT_SECONDS,
    )

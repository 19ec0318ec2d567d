"""A running site for journeys: web server, workers and beat as real processes on the test database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from marketplace.supervisor import Stack, free_port

KEIKEN = str(Path(sys.executable).parent / "keiken")


@dataclass
class Ran:
    """How one ``keiken`` command ended."""

    exit_code: int
    output: str
    errors: str

    @property
    def document(self) -> Any:
        return json.loads(self.output)


@dataclass
class Laptop:
    """One party's command line: its own login, pins and reports."""

    folder: Path
    environ: dict[str, str]

    def keiken(self, *arguments: str, exit_code: int | None = 0, **environ: str) -> Ran:
        """Run ``keiken … --json``; ``exit_code`` None accepts any."""
        done = subprocess.run(
            [KEIKEN, *arguments, "--json"],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        if exit_code is not None:
            assert ran.exit_code == exit_code, f"keiken {arguments}: {ran.exit_code}\n{ran.output}\n{ran.errors}"
        return ran


@dataclass
class Site:
    stack: Stack
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def laptop(self, name: str, secret: str = "") -> Laptop:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "KEIKEN_CONFIG_DIR": str(folder / "config"),
        }
        if cache := os.environ.get("KEIKEN_CACHE_DIR"):
            environ["KEIKEN_CACHE_DIR"] = cache
        laptop = Laptop(folder, environ)
        if secret:
            laptop.keiken("login", "--server", self.url, KEIKEN_API_KEY=secret)
        return laptop

    def start_one_worker(self) -> None:
        """For everything; it is there in half the time of those that a site runs apart."""
        self.stack.start_worker("worker", "verify,attest,default,outgoing", concurrency=2)
        self.stack.start_beat()

    def start_workers(self) -> None:
        self.stack.start_worker("verify", "verify")
        self.stack.start_worker("attest", "attest,default,outgoing")
        self.stack.start_beat()


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.1)


def stack_environ() -> dict[str, str]:
    """This process's environment, pointed at the test database and broker by their addresses alone."""
    database = connection.settings_dict
    host = quote(str(database["HOST"]), safe="")
    port = f":{database['PORT']}" if database["PORT"] else ""
    password = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        "DATABASE_URL": f"postgresql://{database['USER']}{password}@{host}{port}/{quote(database['NAME'])}",
        "REDIS_URL": settings.REDIS_URL,
        "KEIKEN_NUDGE_SECONDS": "1",
        "KEIKEN_LEASE_SECONDS": "5",
    }


@pytest.fixture
def site(transactional_db: None, tmp_path: Path) -> Iterator[Site]:
    """The web server alone; a journey starts the workers it needs."""
    import redis

    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    port = free_port()
    environ = {**stack_environ(), "KEIKEN_PORT": str(port)}
    with Stack(tmp_path / "logs", environ) as stack:
        stack.start_web("127.0.0.1", port)
        yield Site(stack, port, tmp_path / "laptops")

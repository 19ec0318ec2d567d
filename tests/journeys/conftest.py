"""A running site for journeys, and the parties that use it from their command lines."""

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

import pytest
from django.conf import settings

from marketplace.supervisor import Stack
from tests.serving import stack_environ

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
        self.stack.start_worker("worker", "verify,attest,default,outgoing", concurrency=2, with_beat=True)

    def start_workers(self) -> None:
        self.stack.start_worker("verify", "verify")
        self.stack.start_worker("attest", "attest,default,outgoing")
        self.stack.start_beat()


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.1)


@pytest.fixture
def site(transactional_db: None, web: int, tmp_path: Path) -> Iterator[Site]:
    """The web server alone; a journey starts the workers it needs."""
    import redis

    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    with Stack(tmp_path / "logs", stack_environ(web)) as stack:
        yield Site(stack, web, tmp_path / "laptops")

"""Starts the web server, the workers and beat as children of one process, and ends them with it.

For ``manage.py serve``, the demo and the journeys of the tests. A production site gives each of
these commands to its own service manager instead (``deploy/``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from marketplace.config import PROJECT

PR_SET_PDEATHSIG = 1


class SupervisorError(Exception):
    """A child did not come up or ended by itself; the message names its log."""


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """Below those that kernels usually give to outgoing connections, one of which could take it before its server does.

    Raises SupervisorError.
    """
    for _turn in range(100):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise SupervisorError("No port of this machine's loopback is free. See what uses those from 20000 to 31999.")


@dataclass
class Stack:
    """The running parts of one site. ``with Stack(...) as stack`` ends them in every case."""

    log_dir: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start_web(
        self, host: str, port: int, *, workers: int = 1, application: str = "marketplace.wsgi:application"
    ) -> None:
        """The web server; returns when it answers. Raises SupervisorError."""
        self._start(
            "web",
            ["granian", "--interface", "wsgi", "--host", host, "--port", str(port)]
            + ["--workers", str(workers), "--blocking-threads", "4", "--no-ws", application],
        )
        self._wait("web", lambda: _answers(f"http://{host}:{port}/healthz"))

    def start_worker(self, name: str, queues: str, *, concurrency: int = 1, with_beat: bool = False) -> None:
        """A Celery worker of the given queues (names separated by commas); ``with_beat`` for a site of one worker."""
        self._start(
            name,
            ["celery", "-A", "marketplace", "worker", "-Q", queues, "-c", str(concurrency)]
            + ["-n", f"{name}@%h", "-l", "INFO", "--without-gossip", "--without-mingle"]
            + (["--beat"] if with_beat else []),
        )

    def start_beat(self) -> None:
        self._start("beat", ["celery", "-A", "marketplace", "beat", "-l", "INFO", "--pidfile="])

    def kill(self, name: str) -> None:
        """End one child and its children at once, as a power cut would."""
        child = self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def stop(self) -> None:
        """End all children kindly, then at once."""
        for child in self.children.values():
            child.terminate()
        deadline = time.monotonic() + 10
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self.children.clear()

    def check(self) -> None:
        """Raises SupervisorError when a child has ended by itself."""
        for name, child in self.children.items():
            if child.poll() is not None:
                raise SupervisorError(f"The {name} process ended ({child.returncode}). See {self.log(name)}.")

    def log(self, name: str) -> Path:
        return self.log_dir / f"{name}.log"

    def _start(self, name: str, command: list[str]) -> None:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        program = str(Path(sys.executable).parent / command[0])
        # Django's checks of the whole site were made by whoever started this; Celery would load all pages for them.
        environ = {**self.environ, "CELERY_SKIP_CHECKS": "1"}
        with self.log(name).open("ab") as log:
            self.children[name] = subprocess.Popen(
                [program, *command[1:]],
                cwd=PROJECT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _wait(self, name: str, ready: Callable[[], bool], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise SupervisorError(f"The {name} process does not answer. See {self.log(name)}.")
            time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False

"""Start one of our small processes, with an empty environment and a control socket, and wait until it is ready."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from keiken.sandbox import wire

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from keiken.sandbox.{module} import main; main(int(sys.argv[2]))"
_READY_SECONDS = 30
_END_SECONDS = 10


class Running:
    """A process of ours by its pidfd; ``child`` where it is ours to reap."""

    def __init__(self, pidfd: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self._pidfd, self._child = pidfd, child

    def end(self, seconds: float) -> None:
        """Wait for it to end by itself; after so many seconds kill it. Once only."""
        waiting = select.poll()
        waiting.register(self._pidfd, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            waiting.poll()
        os.close(self._pidfd)
        if self._child is not None:
            self._child.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The process and what it said when it was ready."""

    process: Running
    control: socket.socket
    message: dict[str, Any]
    descriptors: list[int]


class NotStarted(Exception):
    """It ended or said no: its last message and what it wrote to standard error."""

    def __init__(self, message: dict[str, Any], complaints: str) -> None:
        super().__init__(complaints)
        self.message, self.complaints = message, complaints


def start(module: str, plan: dict[str, Any], fds: Sequence[int] = ()) -> Started:
    """Run ``keiken.sandbox.<module>.main``; never forked from us, so nothing of our memory is in it. Raises
    NotStarted.
    """
    return _started(lambda control, complaints: _executed(module, control, complaints), plan, fds)


def start_launcher(plan: dict[str, Any], fds: Sequence[int]) -> Started:
    """Let the nursery of this process fork a launcher, in a fraction of the time. Raises NotStarted."""
    return _started(_NURSERIES.bear, plan, fds)


def _started(bear: Callable[[int, IO[bytes]], Running], plan: dict[str, Any], fds: Sequence[int]) -> Started:
    ours, theirs = wire.pair()
    with tempfile.TemporaryFile() as complaints:
        try:
            with theirs:
                process = bear(theirs.fileno(), complaints)
        except BaseException:
            ours.close()
            raise
        answer = _answer(ours, plan, fds)
        if answer is not None and "ready" in answer[0]:
            return Started(process=process, control=ours, message=answer[0], descriptors=answer[1])
        ours.close()
        process.end(_END_SECONDS)
        raise NotStarted(answer[0] if answer else {}, _words(complaints))


def _executed(module: str, control: int, complaints: IO[bytes]) -> Running:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT.format(module=module), _source(), str(control)],
        env={},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=[control],
        start_new_session=True,
    )
    return Running(os.pidfd_open(process.pid), process)


def _answer(ours: socket.socket, plan: dict[str, Any], fds: Sequence[int]) -> tuple[dict[str, Any], list[int]] | None:
    try:
        ours.settimeout(_READY_SECONDS)
        wire.send(ours, {**plan, "owner": os.getpid()}, fds)
        answer = wire.receive(ours)
        ours.settimeout(None)
    except OSError:
        return None
    return answer


class _Nurseries:
    """The one nursery of this process; another one after it was killed, and after a fork of ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nursery: Started | None = None

    def bear(self, control: int, complaints: IO[bytes]) -> Running:
        """Raises NotStarted."""
        with self._lock:
            answer = self._asked([control, complaints.fileno()])
            if answer is None:  # somebody killed it
                self._end()
                answer = self._asked([control, complaints.fileno()])
        message, fds = answer or ({}, [])
        if not fds:
            raise NotStarted({}, str(message.get("trouble", "the nursery ended")))
        return Running(fds[0])

    def _asked(self, fds: Sequence[int]) -> tuple[dict[str, Any], list[int]] | None:
        if self._nursery is None:
            self._nursery = start("nursery", {})
        return _answer(self._nursery.control, {}, fds)

    def close(self) -> None:
        with self._lock:
            self._end()

    def forget(self) -> None:
        """In a child of ours: the nursery is our parent's."""
        self._lock = threading.Lock()
        if self._nursery is not None:
            self._nursery.control.close()
            self._nursery = None

    def _end(self) -> None:
        if self._nursery is not None:
            self._nursery.control.close()
            self._nursery.process.end(_END_SECONDS)
            self._nursery = None


_NURSERIES = _Nurseries()
close_nursery = _NURSERIES.close
"""End it and count its processor time as ours; the next launcher gets a new one."""
atexit.register(close_nursery)
os.register_at_fork(after_in_child=_NURSERIES.forget)


def _words(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read(4000).decode(errors="replace").strip()


def _source() -> str:
    return str(Path(__file__).parents[2])

"""The parent of evaluating children, as their owner sees it: one process that has loaded the interpreter and forks.

Loading takes some fifty milliseconds and is the same each time; a fork takes two. What a child is given goes through
its own pipes and never through its parent, so none sees what another was asked (docs/decisions/0011).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[2]
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from keiken.checks.worker import main; main(int(sys.argv[2]))"
_END_SECONDS = 10


class _Nursery:
    """The one of this process; another one after it was killed, and after a fork of ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def bear(self, requests: int, answers: int, life: int) -> None:
        """Ask for a child over these descriptors; it comes while the caller does something else.

        ``requests`` is read and ``answers`` written by the child. On ``life`` (packets) its pidfd comes when it is
        there, and its exit code, negative for a signal, when it has ended. Raises OSError when no nursery starts.
        """
        with self._lock:
            try:
                self._ask((requests, answers, life))
            except OSError:  # somebody killed it
                self._end()
                self._ask((requests, answers, life))

    def _ask(self, descriptors: Sequence[int]) -> None:
        if self._running is None:
            self._running = _started()
        socket.send_fds(self._running[1], [b"bear"], descriptors)

    def close(self) -> None:
        """End it, and count its processor time and its children's as ours; the next child gets a new one."""
        with self._lock:
            self._end()

    def forget(self) -> None:
        """In a child of ours: the nursery is our parent's."""
        self._lock = threading.Lock()
        if self._running is not None:
            self._running[1].close()
            self._running = None

    def _end(self) -> None:
        if self._running is None:
            return
        process, control = self._running
        self._running = None
        control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
            return
        process.kill()
        process.wait()


def _started() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE, str(_SOURCE), str(theirs.fileno())],
            env={"LANG": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is its owner's to answer
        )
    return process, ours


_NURSERY = _Nursery()
bear = _NURSERY.bear
close_nursery = _NURSERY.close
atexit.register(close_nursery)
os.register_at_fork(after_in_child=_NURSERY.forget)

"""Start one of our small processes, with an empty environment and a control socket, and wait until it is ready."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keiken.sandbox import wire

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from keiken.sandbox.{module} import main; main(int(sys.argv[2]))"
_READY_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The process and what it said when it was ready."""

    process: subprocess.Popen[bytes]
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
    ours, theirs = wire.pair()
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BOOT.format(module=module), _source(), str(theirs.fileno())],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        answer = _answer(ours, plan, fds)
        if answer is not None and "ready" in answer[0]:
            return Started(process=process, control=ours, message=answer[0], descriptors=answer[1])
        ours.close()
        end(process, 10)
        complaints.seek(0)
        raise NotStarted(answer[0] if answer else {}, complaints.read(4000).decode(errors="replace").strip())


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for it to end by itself, then reap it; after so many seconds kill it.

    By its pidfd, because ``wait`` with a timeout looks again and again, and sleeps in between.
    """
    waiting = select.poll()
    # Another thread may have reaped it already.
    with contextlib.suppress(ProcessLookupError), open(os.pidfd_open(process.pid), "rb", buffering=0) as pidfd:
        waiting.register(pidfd, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            process.kill()
    process.wait()


def _answer(ours: socket.socket, plan: dict[str, Any], fds: Sequence[int]) -> tuple[dict[str, Any], list[int]] | None:
    try:
        ours.settimeout(_READY_SECONDS)
        wire.send(ours, {**plan, "owner": os.getpid()}, fds)
        answer = wire.receive(ours)
        ours.settimeout(None)
    except OSError:
        return None
    return answer


def _source() -> str:
    return str(Path(__file__).parents[2])

"""The programs that a recorded session started, also those that left it: found, named and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "KEIKEN_RECORDING"
"""The variable that every program of a recording inherits; its value is the job folder, which no other has."""
_ROUNDS = 20
_FORKED_BUT_NO_PROGRAM_YET = 0x40
"""``PF_FORKNOEXEC`` in the flags of ``/proc/PID/stat``."""
_BECOMING_SECONDS = 2.0


def left_running(session: int, job: Path) -> list[str]:
    """The names of what runs besides the shell, which is the leader of the session, each once."""
    until = time.monotonic() + _BECOMING_SECONDS
    while True:
        found = [pid for pid in _of_recording(session, job) if pid != session]
        # A program that was started only now is still a copy of the shell, and has its name. A loop stays one.
        if time.monotonic() >= until or not any(_is_copy(pid) for pid in found):
            return sorted({_name(pid) for pid in found} - {""})
        time.sleep(0.02)


def end(session: int, job: Path) -> None:
    """Kill all of it and the shell too. The shell must not have been waited for: its number is still its own."""
    # First the shell: what it starts between a look and its end would not be seen.
    _kill(session)
    for _round in range(_ROUNDS):
        found = [pid for pid in _of_recording(session, job) if pid != session]
        if not found:
            return
        for pid in found:
            _kill(pid)
        time.sleep(0.01)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _of_recording(session: int, job: Path) -> Iterator[int]:
    mark = f"{MARK}={job}".encode()
    for entry in Path("/proc").iterdir():
        # What ends meanwhile, or belongs to somebody else, is not of this recording.
        with contextlib.suppress(OSError):
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            state, _parent, _group, its_session = _stat(entry)[:4]
            is_alive = state not in "ZX"
            if is_alive and (int(its_session) == session or mark in (entry / "environ").read_bytes().split(b"\0")):
                yield int(entry.name)


def _stat(process: Path) -> list[str]:
    """The fields after the name, which may hold anything."""
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _is_copy(pid: int) -> bool:
    try:
        return bool(int(_stat(Path(f"/proc/{pid}"))[6]) & _FORKED_BUT_NO_PROGRAM_YET)
    except OSError:
        return False


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""

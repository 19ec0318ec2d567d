"""Starts a sandbox's first process by bubblewrap. Imported by the launcher: keep it light."""

from __future__ import annotations

import fcntl
import json
import os
import signal

from keiken.sandbox import entrance, linux, wire
from keiken.sandbox.bwrap_arguments import arguments
from keiken.sandbox.keeper import Trouble
from keiken.sandbox.launcher import Launcher, becomes_readable

_READY_SECONDS = 10


class BubblewrapLauncher(Launcher):
    """Bubblewrap stays as the reaper inside; what it was started by is our child."""

    overhead_pids = 3  # bubblewrap outside, its reaper inside, the sleeper

    def start_first(self) -> None:
        """Start it with a sleeper inside that answers when all is set up and ends when we do."""
        to_sleeper, from_us = os.pipe()
        to_us, from_sleeper = os.pipe()
        info_reader, info = os.pipe()
        options = wire.sealed(
            b"\0".join(os.fsencode(word) for word in arguments(self.plan, info=10, seccomp=11)) + b"\0"
        )
        program = wire.sealed(self.seccomp)
        inherited = {0: to_us, 1: from_us, 10: info, 11: program, 12: options}
        self.watched = os.fork()
        if self.watched == 0:
            self._become_bubblewrap(inherited)
        for fd in (to_us, from_us, info, program, options):
            os.close(fd)
        self.sleeper = from_sleeper
        self.first = self._first_process(info_reader)
        os.write(from_sleeper, b"\n")
        if not becomes_readable(to_sleeper, _READY_SECONDS) or os.read(to_sleeper, 1) != b"\n":
            raise Trouble("bubblewrap_failed", "bubblewrap did not get its first process going")
        os.close(to_sleeper)

    def _become_bubblewrap(self, inherited: dict[int, int]) -> None:
        try:
            self.group.enter()
            entrance.become(self.slot)
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            high = {target: os.dup(fd) if fd < 20 else fd for target, fd in inherited.items()}
            high = {target: _moved_up(fd) for target, fd in high.items()}
            linux.close_on_execute(3)
            for target, fd in high.items():
                os.dup2(fd, target, inheritable=True)
            os.chdir("/")
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execve(self.plan["bwrap"], ["bwrap", "--args", "12", "--", "/bin/cat"], {})
        except OSError as trouble:
            os.write(2, f"{trouble}\n".encode())
        finally:
            os._exit(126)

    def _first_process(self, info_reader: int) -> int:
        """The pid of the sandbox's first process as bubblewrap tells it."""
        told = b""
        while not told.rstrip().endswith(b"}"):
            if not becomes_readable(info_reader, _READY_SECONDS):
                break
            chunk = os.read(info_reader, 4096)
            if not chunk:
                break
            told += chunk
        os.close(info_reader)
        if not told.strip():
            raise Trouble("bubblewrap_failed", "bubblewrap ended before the sandbox was set up")
        return int(json.loads(told)["child-pid"])


def _moved_up(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 30)

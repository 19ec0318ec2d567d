"""Starts commands for an owner on the other side of a socket, tells how each ended, and ends when the owner does.

What a sandbox's launcher and the executor for the real machine have in common. Light imports only.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket

from keiken.sandbox import cgroup, wire

TYPE_CHECKING = False  # importing typing takes longer than all the rest of this module
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Trouble(Exception):
    """The sandbox cannot be set up: a stable code and what went wrong, sent to the owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Order:
    """A command under way: the pipe that tells why it could not be executed, and the count of memory kills before
    it.
    """

    def __init__(self, failed: int, oom_kills_before: int) -> None:
        self.failed, self.oom_kills_before, self.words = failed, oom_kills_before, ""


class Keeper:
    """The loop; subclasses say how a child becomes a command and what to clear away."""

    is_child_of_owner = True
    """Else somebody between has started it, and is asked nothing."""

    def __init__(self, control: socket.socket, plan: dict[str, Any]) -> None:
        self.control, self.plan = control, plan
        self.group = cgroup.Group({})
        self.runs: dict[int, int] = {}
        self.orders: dict[int, Order] = {}
        self.drained: dict[int, int] = {}
        self.ending = self.was_told_to_end = False
        self.selector = selectors.DefaultSelector()

    def become_run(self, order: dict[str, Any], streams: list[int], report: int) -> NoReturn:
        """In a fresh child: turn into the command, or write the errno to ``report`` and exit."""
        raise AssertionError("a keeper says how")

    def obey_more(self, message: dict[str, Any], fds: list[int]) -> None:
        """Orders beyond those every keeper knows."""

    def ended(self, pid: int) -> None:
        """A child that was no command has ended."""

    def is_dying(self) -> bool:
        """Whether what a command runs in is itself ending, so that its SIGKILL was not its own affair."""
        return False

    def serve(self) -> None:
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ending", True))
        self.selector.register(wake, selectors.EVENT_READ)
        self.selector.register(self.control, selectors.EVENT_READ)
        owner = self._pidfd_of(self.plan["owner"])
        if owner is not None:
            self.selector.register(owner, selectors.EVENT_READ)
        self._reap()
        while not self.ending:
            for key, _events in self.selector.select():
                if key.fileobj is self.control:
                    self._obey()
                elif key.fileobj is wake:
                    with contextlib.suppress(BlockingIOError):
                        wake.recv(4096)
                elif key.fileobj == owner:
                    self.ending = True
                elif key.data == "execution":
                    self._tell_start(key.fd)
                elif isinstance(key.fileobj, int):
                    self._drain(key.fileobj)
            self._reap()

    def _obey(self) -> None:
        received = wire.receive(self.control)
        if received is None:
            self.ending = True
            return
        message, fds = received
        verb = message["do"]
        if verb == "run":
            self._run(message, fds)
        elif verb == "kill":
            self._kill(message["id"])
        elif verb == "drain":
            self._start_draining(fds)
            fds = []
        elif verb == "end":
            self.ending = self.was_told_to_end = True
        else:
            self.obey_more(message, fds)
        for fd in fds:
            os.close(fd)

    def _run(self, message: dict[str, Any], fds: list[int]) -> None:
        number, (payload, *streams) = message["id"], fds
        order = json.loads(wire.unsealed(os.dup(payload)))
        failed, report = os.pipe()
        before = self.group.oom_kills()
        self.group.start_peak()
        try:
            pid = os.fork()
        except OSError:  # the first process inside is dead, so nothing can be born there any more
            os.close(failed)
            os.close(report)
            self.tell({"id": number, "gone": True})
            return
        if pid == 0:
            self.become_run(order, streams, report)
        os.close(report)
        self.runs[pid] = number
        self.orders[pid] = Order(failed, before)
        if message.get("announce"):
            self.selector.register(failed, selectors.EVENT_READ, "execution")

    def _kill(self, number: int) -> None:
        for pid, run in self.runs.items():
            if run == number:
                for kill in (os.killpg, os.kill):
                    with contextlib.suppress(OSError):
                        kill(pid, signal.SIGKILL)

    def _start_draining(self, fds: list[int]) -> None:
        for fd in fds:
            os.set_blocking(fd, False)
            self.drained[fd] = 0
            self.selector.register(fd, selectors.EVENT_READ)

    def _drain(self, fd: int) -> None:
        """Throw away what a background process still writes, so that it is not stopped by a full or broken pipe."""
        try:
            size = len(os.read(fd, 65_536))
        except BlockingIOError:
            return
        self.drained[fd] += size
        if size == 0 or self.drained[fd] > self.plan["limits"]["output_killed_bytes"]:
            self.selector.unregister(fd)
            del self.drained[fd]
            os.close(fd)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.runs:
                self._tell_end(pid, status, used.ru_utime + used.ru_stime)
            else:
                self.ended(pid)

    def _tell_start(self, failed: int) -> None:
        """The pipe that carries what went wrong with an execution was closed by that execution, or holds the
        trouble.
        """
        self.selector.unregister(failed)
        pid, order = next((pid, order) for pid, order in self.orders.items() if order.failed == failed)
        order.words = os.read(failed, 400).decode(errors="replace")
        if not order.words:
            self.tell({"id": self.runs[pid], "started": True})

    def _tell_end(self, pid: int, status: int, cpu_seconds: float) -> None:
        order = self.orders.pop(pid)
        words = order.words or os.read(order.failed, 400).decode(errors="replace")
        with contextlib.suppress(KeyError):
            self.selector.unregister(order.failed)
        os.close(order.failed)
        number, code = self.runs.pop(pid), os.waitstatus_to_exitcode(status)
        oom = self.group.oom_kills() > order.oom_kills_before
        gone = code == -signal.SIGKILL and not oom and self.is_dying()
        used = {"cpu_seconds": round(cpu_seconds, 6), "peak_memory_bytes": self.group.peak_since_start()}
        self.tell({"id": number, "status": code, "failed": words, "oom": oom, "gone": gone, **used})

    def _pidfd_of(self, owner: int) -> int | None:
        gone = Trouble("owner_gone", "the process that asked for this sandbox has ended")
        if self.is_child_of_owner and os.getppid() != owner:
            raise gone
        try:
            return os.pidfd_open(owner)
        except ProcessLookupError:
            raise gone from None
        except OSError:
            return None  # an old kernel: the closed control socket tells as well

    def tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            wire.send(self.control, message)

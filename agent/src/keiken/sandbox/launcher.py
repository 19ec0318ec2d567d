"""The small process that owns one sandbox: sets it up, starts every command in it, tells how each ended, clears it away.

Started with an empty environment by the driver, never forked from a worker. It is the parent of everything inside, so that
an exit status comes from ``waitpid`` out here and cannot be forged in there. It ends, and takes everything with it, when its
owner closes the control socket or dies. Light imports only: its start is part of every replay's time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

from keiken.sandbox import cgroup, entrance, linux, mounts, slots, wire
from keiken.sandbox.bwrap_arguments import arguments, limits_of
from keiken.sandbox.inside import build_ruleset, connect_inside, open_port_tables

_OVERHEAD_PIDS = 3  # bubblewrap outside, its reaper inside, the sleeper
_READY_SECONDS = 10


class Trouble(Exception):
    """The sandbox cannot be set up: a stable code and what went wrong, sent to the owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Order:
    """A command under way: the pipe that tells why it could not be executed, and the count of memory kills before it."""

    def __init__(self, failed: int, oom_kills_before: int) -> None:
        self.failed, self.oom_kills_before, self.words = failed, oom_kills_before, ""


class Launcher:
    """State of the one sandbox this process owns."""

    def __init__(self, control: socket.socket, plan: dict[str, Any], seccomp: bytes) -> None:
        self.control, self.plan, self.seccomp = control, plan, seccomp
        self.group = cgroup.Group({})
        self.runs: dict[int, int] = {}
        self.orders: dict[int, Order] = {}
        self.drained: dict[int, int] = {}
        self.bubblewrap = self.first = -1
        self.ruleset = self.sleeper = -1
        self.ending = False
        self.selector = selectors.DefaultSelector()

    # Setting up

    def set_up(self) -> None:
        plan = self.plan
        slots.reap(plan["slots"])
        self.slot = slots.take(plan["slots"])
        self.limits = limits_of(plan["limits"])
        limits = plan["limits"]
        self.group = cgroup.create(
            self.slot.name, memory_mib=limits["memory_mib"], pids=limits["pids"] + _OVERHEAD_PIDS, cpus=limits["cpus"]
        )
        self._mount()
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        self._start_bubblewrap()
        self.namespaces = entrance.Namespaces(self.first)
        if not self.slot.is_other_user:
            self.namespaces.enter_owner()
        linux.setns(self.namespaces.fds["pid"], linux.CLONE_NEWPID)
        tables = self._ask_a_child(open_port_tables)
        if plan["commands"] is not None:
            self.ruleset = next(iter(self._ask_a_child(build_ruleset, plan["commands"])), -1)
        point = plan["point"]
        folders = [os.open(f"{point}/{name}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for name in ("job", "work")]
        facts = {"ready": True, "uid": self.slot.uid, "gid": self.slot.gid, "limits_enforced": self.group.enforced}
        wire.send(self.control, facts, [*folders, *tables])
        for fd in [*folders, *tables]:
            os.close(fd)

    def _mount(self) -> None:
        plan, limits = self.plan, self.plan["limits"]
        try:
            mounts.private_namespace(self.slot.uid, self.slot.gid)
        except OSError as trouble:
            raise Trouble("namespaces_unavailable", str(trouble)) from trouble
        mounts.prepare(
            plan["point"],
            root=plan["root"],
            package=plan["package"],
            uid=self.slot.uid,
            gid=self.slot.gid,
            work_mib=limits["work_mib"],
            work_inodes=limits["work_inodes"],
        )

    def _start_bubblewrap(self) -> None:
        """Start it with a sleeper inside that answers when all is set up and ends when we do."""
        to_sleeper, from_us = os.pipe()
        to_us, from_sleeper = os.pipe()
        info_reader, info = os.pipe()
        options = wire.sealed(
            b"\0".join(os.fsencode(word) for word in arguments(self.plan, info=10, seccomp=11)) + b"\0"
        )
        program = wire.sealed(self.seccomp)
        inherited = {0: to_us, 1: from_us, 10: info, 11: program, 12: options}
        self.bubblewrap = os.fork()
        if self.bubblewrap == 0:
            self._become_bubblewrap(inherited)
        for fd in (to_us, from_us, info, program, options):
            os.close(fd)
        self.sleeper = from_sleeper
        self.first = self._first_process(info_reader)
        os.write(from_sleeper, b"\n")
        if not _becomes_readable(to_sleeper, _READY_SECONDS) or os.read(to_sleeper, 1) != b"\n":
            raise Trouble("bubblewrap_failed", "bubblewrap did not get its first process going")
        os.close(to_sleeper)

    def _become_bubblewrap(self, inherited: dict[int, int]) -> None:
        try:
            self.group.enter()
            entrance.become(self.slot)
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            high = {target: os.dup(fd) if fd < 20 else fd for target, fd in inherited.items()}
            high = {target: _moved_up(fd) for target, fd in high.items()}
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
            if not _becomes_readable(info_reader, _READY_SECONDS):
                break
            chunk = os.read(info_reader, 4096)
            if not chunk:
                break
            told += chunk
        os.close(info_reader)
        if not told.strip():
            raise Trouble("bubblewrap_failed", "bubblewrap ended before the sandbox was set up")
        return int(json.loads(told)["child-pid"])

    def _ask_a_child(self, work: Any, *arguments: Any) -> list[int]:
        """Let a child inside the namespaces open something, and take over its descriptors."""
        ours, theirs = wire.pair()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                entrance.become(self.slot)
                self.namespaces.join()
                message, fds = work(*arguments)
                wire.send(theirs, message, fds)
                code = 0
            except BaseException as trouble:
                with contextlib.suppress(BaseException):
                    os.write(2, f"{work.__name__}: {trouble}\n".encode())
            finally:
                os._exit(code)
        theirs.close()
        answer = wire.receive(ours)
        ours.close()
        os.waitpid(pid, 0)
        if answer is None:
            raise Trouble("bubblewrap_failed", f"{work.__name__} did not work inside the sandbox")
        return answer[1]

    # Serving

    def serve(self) -> None:
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ending", True))
        self.selector.register(wake, selectors.EVENT_READ)
        self.selector.register(self.control, selectors.EVENT_READ)
        owner = _pidfd_of(self.plan["owner"])
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
        elif verb == "connect":
            self._connect(message, fds)
        elif verb == "end":
            self.ending = True
        for fd in fds:
            os.close(fd)

    def _run(self, message: dict[str, Any], fds: list[int]) -> None:
        number, (payload, *streams) = message["id"], fds
        order = json.loads(wire.unsealed(os.dup(payload)))
        failed, report = os.pipe()
        before = self.group.oom_kills()
        try:
            pid = os.fork()
        except OSError:  # the first process inside is dead, so nothing can be born there any more
            os.close(failed)
            os.close(report)
            self._tell({"id": number, "gone": True})
            return
        if pid == 0:
            self._become_run(order, streams, report)
        os.close(report)
        self.runs[pid] = number
        self.orders[pid] = Order(failed, before)
        if message.get("announce"):
            self.selector.register(failed, selectors.EVENT_READ, "execution")

    def _become_run(self, order: dict[str, Any], streams: list[int], report: int) -> None:
        def tell(number: int) -> None:
            os.write(report, str(number).encode())

        try:
            self.group.enter()
            entrance.become(self.slot)
            self.namespaces.join()
            entrance.execute(
                order["argv"],
                order["env"],
                streams=streams,
                limits=self.limits,
                seccomp=self.seccomp,
                ruleset=self.ruleset if order["confined"] else -1,
                report=tell,
            )
        except BaseException as trouble:
            with contextlib.suppress(BaseException):
                os.write(report, f"! {trouble}".encode())
        finally:
            os._exit(127)

    def _kill(self, number: int) -> None:
        for pid, run in self.runs.items():
            if run == number:
                for kill in (os.killpg, os.kill):
                    with contextlib.suppress(OSError):
                        kill(pid, signal.SIGKILL)

    def _connect(self, message: dict[str, Any], fds: list[int]) -> None:
        """A child makes the connection in the sandbox's network and answers on the socket that came with the order."""
        try:
            pid = os.fork()
        except OSError:
            return  # the closed socket tells
        if pid == 0:
            try:
                linux.setns(self.namespaces.fds["net"], linux.CLONE_NEWNET)
                entrance.become(self.slot)
                connect_inside(fds[0], message["host"], message["port"], message["seconds"])
            finally:
                os._exit(0)

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
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.bubblewrap:
                self.bubblewrap = -1
                self._tell({"gone": True})
            elif pid in self.runs:
                self._tell_end(pid, status)

    def _tell_start(self, failed: int) -> None:
        """The pipe that carries what went wrong with an execution was closed by that execution, or holds the trouble."""
        self.selector.unregister(failed)
        pid, order = next((pid, order) for pid, order in self.orders.items() if order.failed == failed)
        order.words = os.read(failed, 400).decode(errors="replace")
        if not order.words:
            self._tell({"id": self.runs[pid], "started": True})

    def _tell_end(self, pid: int, status: int) -> None:
        order = self.orders.pop(pid)
        words = order.words or os.read(order.failed, 400).decode(errors="replace")
        with contextlib.suppress(KeyError):
            self.selector.unregister(order.failed)
        os.close(order.failed)
        number, code = self.runs.pop(pid), os.waitstatus_to_exitcode(status)
        oom = self.group.oom_kills() > order.oom_kills_before
        gone = code == -signal.SIGKILL and not oom and self._is_dying()
        self._tell({"id": number, "status": code, "failed": words, "oom": oom, "gone": gone})

    def _is_dying(self) -> bool:
        """Whether the sandbox itself is ending, which kills all in it: nothing can be born there any more."""
        try:
            pid = os.fork()
        except OSError:
            return True
        if pid == 0:
            os._exit(0)
        return False

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            wire.send(self.control, message)

    # Ending

    def end(self) -> None:
        """Kill everything inside, wait for it, remove the group. The last message says what it used."""
        for pid in (self.first, self.bubblewrap):
            if pid > 0 and self.bubblewrap > 0:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.close(self.sleeper)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.001)
            except ChildProcessError:
                break
        peak = self.group.peak_memory_bytes()
        removed = self.group.remove()
        self._tell({"ended": True, "peak_memory_bytes": peak, "group_removed": removed})


def _becomes_readable(fd: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def _moved_up(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 30)


def _pidfd_of(owner: int) -> int | None:
    if os.getppid() != owner:
        raise Trouble("owner_gone", "the process that asked for this sandbox has ended")
    try:
        return os.pidfd_open(owner)
    except OSError:
        return None  # an old kernel: the closed control socket tells as well


def main(control_fd: int) -> None:
    """Serve one sandbox over the control socket, then end."""
    control = socket.socket(fileno=control_fd)
    received = wire.receive(control)
    if received is None:
        return
    plan, (seccomp, *_rest) = received
    launcher = Launcher(control, plan, wire.unsealed(seccomp))
    sys.path.clear()  # from here on nothing may be imported: a child of ours sees the sandbox's files
    try:
        launcher.set_up()
    except (Trouble, OSError) as trouble:
        with contextlib.suppress(OSError):
            wire.send(control, {"trouble": getattr(trouble, "code", "sandbox_failed"), "message": str(trouble)})
    else:
        launcher.serve()
    finally:
        launcher.end()

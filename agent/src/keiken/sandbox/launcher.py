"""The small process that owns one sandbox: sets it up, starts every command in it, tells how each ended, clears it
away.

Forked from the nursery, which the driver starts with an empty environment, and never from a worker. It is the parent of
everything inside, so that an exit status comes from ``waitpid`` out here and cannot be forged in there. It ends, and
takes everything with it, when its owner closes the control socket or dies. Light imports only: they are part of the
start of every worker and command that opens a sandbox.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time

from keiken.sandbox import cgroup, entrance, linux, mounts, slots, wire
from keiken.sandbox.bwrap_arguments import limits_of
from keiken.sandbox.inside import build_ruleset, connect_inside, listen_inside, open_port_tables
from keiken.sandbox.keeper import Keeper, Trouble

TYPE_CHECKING = False  # importing typing costs a third of this process's start
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Launcher(Keeper):
    """State of the one sandbox this process owns; subclasses start its first process by their runtime."""

    is_child_of_owner = False  # the nursery's
    overhead_pids = 0
    """Processes in the control group that are the runtime's and not the job's."""

    def __init__(self, control: socket.socket, plan: dict[str, Any], seccomp: bytes) -> None:
        super().__init__(control, plan)
        self.seccomp = seccomp
        self.watched = self.first = -1  # our child whose end is the sandbox's, and the first process inside
        self.ruleset = self.sleeper = -1

    def start_first(self) -> None:
        """Start a sleeper in new namespaces that ends when we do: set ``first``, ``watched`` and ``sleeper``."""
        raise AssertionError("a launcher says how")

    def finish_namespaces(self) -> None:
        """What is still to be done in the namespaces before anything is born in them."""

    # Setting up

    def set_up(self) -> None:
        plan = self.plan
        slots.reap(plan["slots"])
        self.slot = slots.take(plan["slots"])
        self.limits = limits_of(plan["limits"])
        self.group = cgroup.create(self.slot.name, **self.group_limits())
        self._mount()
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        self.start_first()
        self.namespaces = entrance.Namespaces(self.first)
        if not self.slot.is_other_user:
            self.namespaces.enter_owner()
        self.finish_namespaces()
        linux.setns(self.namespaces.fds["pid"], linux.CLONE_NEWPID)
        tables = self.ask_a_child(open_port_tables)
        if plan["proxy_port"]:
            tables += self.ask_a_child(listen_inside, plan["proxy_port"])
        if plan["commands"] is not None:
            self.ruleset = next(iter(self.ask_a_child(build_ruleset, plan["commands"])), -1)
        point = plan["point"]
        folders = [os.open(f"{point}/{name}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for name in ("job", "work")]
        facts = {"ready": True, "uid": self.slot.uid, "gid": self.slot.gid, "limits_enforced": self.group.enforced}
        wire.send(self.control, facts, [*folders, *tables])
        for fd in [*folders, *tables]:
            os.close(fd)

    def group_limits(self) -> dict[str, Any]:
        """What the control group is limited to while commands run."""
        limits = self.plan["limits"]
        return {
            "memory_mib": limits["memory_mib"],
            "pids": limits["pids"] + self.overhead_pids,
            "cpus": limits["cpus"],
        }

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

    def ask_a_child(self, work: Any, *arguments: Any, joined: bool = True) -> list[int]:
        """Let a child inside the namespaces open something, and take over its descriptors."""
        ours, theirs = wire.pair()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                entrance.become(self.slot)
                if joined:
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
            raise Trouble("sandbox_failed", f"{work.__name__} did not work inside the sandbox")
        return answer[1]

    # Serving

    def become_run(self, order: dict[str, Any], streams: list[int], report: int) -> NoReturn:
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

    def obey_more(self, message: dict[str, Any], fds: list[int]) -> None:
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

    def ended(self, pid: int) -> None:
        if pid == self.watched:
            self.watched = -1
            self.tell({"gone": True})

    def is_dying(self) -> bool:
        """Whether the sandbox itself is ending, which kills all in it: nothing can be born there any more."""
        try:
            pid = os.fork()
        except OSError:
            return True
        if pid == 0:
            os._exit(0)
        return False

    # Ending

    def end(self) -> None:
        """Kill everything inside, wait for it, remove the group. The last message says what it used."""
        for pid in (self.first, self.watched):
            if pid > 0 and self.watched > 0:
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
        self.tell({"ended": True, "peak_memory_bytes": peak, "group_removed": removed})


def becomes_readable(fd: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def _kind(driver: str) -> type[Launcher]:
    """Only the module of the driver in use is loaded."""
    if driver == "oci":
        from keiken.sandbox.oci_launcher import OciLauncher

        return OciLauncher
    from keiken.sandbox.bwrap_launcher import BubblewrapLauncher

    return BubblewrapLauncher


def main(control_fd: int) -> None:
    """Serve one sandbox over the control socket, then end."""
    os.set_inheritable(control_fd, False)  # it came to us over an execution, and must not go on into the sandbox
    control = socket.socket(fileno=control_fd)
    received = wire.receive(control)
    if received is None:
        return
    plan, (seccomp, *_rest) = received
    launcher = _kind(plan["driver"])(control, plan, wire.unsealed(seccomp))
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

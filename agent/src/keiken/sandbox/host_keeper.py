"""The process that starts commands on the real machine for ``--on host``, confined by Landlock, and ends all they
started.

Light imports only; see keeper.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from keiken.sandbox import entrance, landlock, linux, wire
from keiken.sandbox.inside import executables
from keiken.sandbox.keeper import Keeper

TYPE_CHECKING = False  # importing typing costs a third of this process's start
if TYPE_CHECKING:
    from typing import Any, NoReturn

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm")
_NET_ABI = 4


class HostKeeper(Keeper):
    """Parent, or foster parent, of everything a replay starts on this machine."""

    def set_up(self) -> None:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        known = landlock.abi() > 0
        self.ruleset = build_ruleset(self.plan, self.plan["commands"]) if known else None
        self.own_ruleset = build_ruleset(self.plan, ["rm"]) if known else None  # what the executor itself starts
        wire.send(self.control, {"ready": True})

    def become_run(self, order: dict[str, Any], streams: list[int], report: int) -> NoReturn:
        try:
            for target, fd in enumerate(streams):
                os.dup2(fd, target, inheritable=True)
            linux.close_on_execute(3)
            os.chdir(self.plan["job"])
            os.umask(0o022)
            os.setsid()
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            entrance.set_limits(self.plan["limits"])
            linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
            ruleset = self.ruleset if order["confined"] else self.own_ruleset
            if ruleset is not None:
                landlock.restrict(ruleset.fd)
            os.write(report, str(entrance.replace_process(order["argv"], order["env"])).encode())
        except BaseException as trouble:
            with contextlib.suppress(BaseException):
                os.write(report, f"! {trouble}".encode())
        finally:
            os._exit(127)

    def end(self) -> None:
        """Kill all that descends from us: what loses its parent becomes our child, so killing children reaches
        everything.
        """
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for pid in _children():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.001)
            except ChildProcessError:
                break
        if not self.was_told_to_end:  # the owner is gone and cannot clear away any more
            _remove(self.plan["folder"])
        self.tell({"ended": True, "peak_memory_bytes": 0})


def build_ruleset(plan: dict[str, Any], commands: list[str]) -> landlock.Ruleset:
    """Read everything, write the declared places, execute the declared commands, reach the declared TCP ports."""
    version, ports = landlock.abi(), plan["ports"]
    limited = version >= _NET_ABI and ports is not None
    ruleset = landlock.Ruleset(
        files=landlock.known_file_rights(version),
        ports=landlock.NET_BIND_TCP | landlock.NET_CONNECT_TCP if limited else 0,
    )
    write = landlock.WRITING | landlock.REFER | landlock.TRUNCATE
    ruleset.allow("/", landlock.READ_FILE | landlock.READ_DIR)
    ruleset.allow_all(executables(commands, plan["job"]), landlock.EXECUTE)
    ruleset.allow_all(plan["write"], write)
    ruleset.allow_all([f"/dev/{name}" for name in _DEVICES], landlock.WRITE_FILE | landlock.IOCTL_DEV)
    ruleset.allow("/dev/shm", write)
    for port in ports or [] if limited else []:
        ruleset.allow_port(port, landlock.NET_BIND_TCP | landlock.NET_CONNECT_TCP)
    return ruleset


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def _remove(folder: str) -> None:
    """Remove the job's own folder, by descriptors, without following links."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def main(control_fd: int) -> None:
    """Serve one replay on the real machine over the control socket, then end."""
    os.set_inheritable(control_fd, False)  # it came to us over an execution, and must not go on to a command
    control = socket.socket(fileno=control_fd)
    received = wire.receive(control)
    if received is None:
        return
    keeper = HostKeeper(control, received[0])
    try:
        keeper.set_up()
    except OSError as trouble:
        with contextlib.suppress(OSError):
            wire.send(control, {"trouble": "host_executor_failed", "message": str(trouble)})
    else:
        keeper.serve()
    finally:
        keeper.end()

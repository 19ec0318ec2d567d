"""Starts a sandbox's first process by an OCI runtime (runc). Imported by the launcher: keep it light.

Like bubblewrap, the runtime is started after root was given up for the job's user id ("rootless"), so a hole in it is
worth
no more than that user. It makes the namespaces, the mounts and the first process, then ends; commands enter as they do
with
bubblewrap, through ``entrance``.
"""

from __future__ import annotations

import json
import os
import signal
import time

from keiken.sandbox import entrance, linux
from keiken.sandbox.bwrap_arguments import INNER_ID
from keiken.sandbox.keeper import Trouble
from keiken.sandbox.launcher import Launcher, becomes_readable
from keiken.sandbox.oci_config import config

TYPE_CHECKING = False  # importing typing costs a third of a launcher's start
if TYPE_CHECKING:
    from typing import Any

_READY_SECONDS = 20
_START_MIB, _START_PIDS = 256, 128


class OciLauncher(Launcher):
    """The first process is our child: foster child of ours once the runtime has ended."""

    overhead_pids = 1  # the sleeper

    def start_first(self) -> None:
        """Let the runtime make the sandbox around a sleeper; the limits are tightened when it is done."""
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        self._write_bundle()
        limits = self.group_limits()
        wide = {**limits, "memory_mib": max(limits["memory_mib"], _START_MIB), "pids": limits["pids"] + _START_PIDS}
        self.group.limit(**wide)
        to_sleeper, from_us = os.pipe()
        to_us, self.sleeper = os.pipe()
        runtime = os.fork()
        if runtime == 0:
            self._become_runtime(to_us, from_us)
        os.close(to_us)
        os.close(from_us)
        self._await(runtime)
        with open(f"{self.plan['point']}/bundle/pid") as file:
            self.first = self.watched = int(file.read())
        os.write(self.sleeper, b"\n")
        if not becomes_readable(to_sleeper, _READY_SECONDS) or os.read(to_sleeper, 1) != b"\n":
            raise Trouble("oci_runtime_failed", "the runtime did not get its first process going")
        os.close(to_sleeper)
        if not self.group.limit(**limits):
            raise Trouble("oci_runtime_failed", "the control group's limits cannot be tightened")
        self.group.forget_peak()

    def _write_bundle(self) -> None:
        point, slot = self.plan["point"], self.slot
        for name in ("bundle", "state"):
            os.mkdir(f"{point}/{name}", 0o700)
            os.chown(f"{point}/{name}", slot.uid, slot.gid)
        path = f"{point}/bundle/config.json"
        with open(path, "x") as file:
            json.dump(config(self.plan, uid=slot.uid, gid=slot.gid), file)
        os.chown(path, slot.uid, slot.gid)

    def _become_runtime(self, stdin: int, stdout: int) -> None:
        point = self.plan["point"]
        argv = ["runc", "--root", f"{point}/state", "run", "--detach", "--no-new-keyring"]
        argv += ["--bundle", f"{point}/bundle", "--pid-file", f"{point}/bundle/pid", "sandbox"]
        try:
            self.group.enter()
            entrance.become(self.slot)
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.dup2(stdin, 0, inheritable=True)
            os.dup2(stdout, 1, inheritable=True)
            linux.close_on_execute(3)
            os.chdir("/")
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execve(self.plan["runtime"], argv, {})
        except OSError as trouble:
            os.write(2, f"{trouble}\n".encode())
        finally:
            os._exit(126)

    def _await(self, runtime: int) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            pid, status = os.waitpid(runtime, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.kill(runtime, signal.SIGKILL)
                raise Trouble("oci_runtime_failed", "the runtime did not end in time")
            time.sleep(0.001)
        if os.waitstatus_to_exitcode(status) != 0:
            raise Trouble("oci_runtime_failed", "the runtime could not make the sandbox")

    def finish_namespaces(self) -> None:
        """Put a second user namespace below the runtime's, like bubblewrap does: no more can be made, the job's user is
        1000, and the first process, which is of the first one, cannot be looked into.
        """
        (fd,) = self.ask_a_child(_inner_user, self.namespaces, joined=False)
        self.namespaces.replace_user(fd)


def _inner_user(namespaces: entrance.Namespaces) -> tuple[dict[str, Any], list[int]]:
    if not namespaces.in_owner:
        namespaces.enter_owner()
    with open("/proc/sys/user/max_user_namespaces", "w") as file:  # this user namespace's own setting
        file.write("1")
    linux.unshare(linux.CLONE_NEWUSER)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else the maps are root's; nothing of the job runs yet
    for name, text in (("setgroups", "deny"), ("uid_map", f"{INNER_ID} 0 1"), ("gid_map", f"{INNER_ID} 0 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return {}, [os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)]

"""Pods of a double of a cluster: real namespaces of this machine. No sandbox: they run what tests send them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import keiken

OUTER = "20001"
LATE_SECONDS = 0.2
_SOURCE = str(Path(keiken.__file__).parents[1])
_ENTER = """
import os, sys
from keiken.sandbox import linux
network, container, folder, *argv = sys.argv[1:]
kinds = {"user": linux.CLONE_NEWUSER, "net": linux.CLONE_NEWNET, "mnt": linux.CLONE_NEWNS, "pid": linux.CLONE_NEWPID,
         "ipc": linux.CLONE_NEWIPC, "uts": linux.CLONE_NEWUTS}
# The network belongs to the Pod, all else to the container: they are entered one after the other.
wanted = [(network, "user"), (network, "net"), *((container, kind) for kind in ("user", "ipc", "uts", "pid", "mnt"))]
for fd, kind in [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), kind) for pid, kind in wanted]:
    linux.setns(fd, kinds[kind])
child = os.fork()
if child == 0:
    os.chdir(folder)
    linux.drop_capabilities()
    os.environ.pop("PYTHONPATH")
    os.execv(argv[0], argv)
for fd in (0, 1, 2):
    os.close(fd)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
"""


def _as_user() -> list[str]:
    """As root, the words that make somebody else of us first: a Pod of root's would be no Pod."""
    return ["setpriv", f"--reuid={OUTER}", f"--regid={OUTER}", "--clear-groups"] if os.geteuid() == 0 else []


class Container:
    """One process tree of a Pod."""

    def __init__(self, spec: dict[str, Any], volumes: dict[str, Path], network: int) -> None:
        self.name = spec["name"]
        info_reader, info = os.pipe()
        words = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--uid", "1000"]
        words += ["--gid", "1000", "--hostname", "sandbox", "--as-pid-1", "--die-with-parent", "--info-fd", str(info)]
        for folder in ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc/alternatives"):
            path = Path(folder)
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), folder]
            elif path.exists():
                words += ["--ro-bind", folder, folder]
        # Not by --dev: with it bubblewrap ends in one more user namespace, which could not be entered from here.
        words += ["--proc", "/proc", "--tmpfs", "/dev"]
        for name in ("null", "zero", "full", "random", "urandom"):
            words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
        for mount in sorted(spec["volumeMounts"], key=lambda one: len(one["mountPath"])):
            source = volumes[mount["name"]] / mount.get("subPath", "")
            if "subPath" in mount:
                source.mkdir(exist_ok=True)
                _give(source)
            words += ["--ro-bind" if mount.get("readOnly") else "--bind", str(source), mount["mountPath"]]
        words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--", *spec["command"]]
        self.network = network
        enter = [*_as_user(), "nsenter", "-t", str(network), "-U", "-n", "--preserve-credentials", "--"]
        self.process = subprocess.Popen(
            [*enter, *words], pass_fds=[info], stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(info)
        with os.fdopen(info_reader) as told:
            self.pid = int(json.load(told)["child-pid"])
        _until_set_up(self.pid)
        self.folder = spec["workingDir"]
        self.reason = ""
        self.ended_at: float | None = None

    @property
    def state(self) -> dict[str, Any]:
        code = self.process.poll()
        if code is None:
            return {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        return {"terminated": {"exitCode": code & 0xFF, "reason": self.reason or ("Error" if code else "Completed")}}

    @property
    def told(self) -> dict[str, Any]:
        """What the cluster says of it, which is a moment late about its end."""
        state = self.state
        if "terminated" in state and self.ended_at is None:
            self.ended_at = time.monotonic()
        is_late = self.ended_at is not None and time.monotonic() - self.ended_at < LATE_SECONDS
        return {"running": {"startedAt": "2026-01-01T00:00:00Z"}} if is_late else state

    def execute(self, argv: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*_as_user(), sys.executable, "-c", _ENTER, str(self.network), str(self.pid), self.folder, *argv],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "PYTHONPATH": _SOURCE},
        )  # fmt: skip

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def _until_set_up(pid: int) -> None:
    """bubblewrap tells the number of its child before that has its mounts and its loopback: who enters then is early."""
    deadline = time.monotonic() + 20
    with contextlib.suppress(OSError):  # it has ended already
        while Path(f"/proc/{pid}/comm").read_text() == "bwrap\n":
            assert time.monotonic() < deadline, "bubblewrap does not start the command"
            time.sleep(0.005)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, int(OUTER), int(OUTER))


class Pod:
    """A manifest brought to life: the first container, and when it has ended well, the others."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.manifest = manifest
        self.spec = manifest["spec"]
        self.folder = Path(tempfile.mkdtemp(prefix="keiken-pod-"))
        self.folder.chmod(0o755)
        self.volumes = {volume["name"]: self.folder / volume["name"] for volume in self.spec["volumes"]}
        for path in self.volumes.values():
            path.mkdir()
            _give(path)
        self.reason = ""
        self._network = subprocess.Popen(
            [*_as_user(), "bwrap", "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "--die-with-parent",
             "--as-pid-1", "--unshare-pid", "--info-fd", "1", "--", "sleep", "3600"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._network.stdout is not None
        told = b""
        while b"}" not in told:
            told += self._network.stdout.read1()  # type: ignore[attr-defined]
        self.network = int(json.loads(told)["child-pid"])
        _until_set_up(self.network)
        self.init = [self._start(spec) for spec in self.spec["initContainers"]]
        self.containers: list[Container] = []
        self._lock = threading.Lock()

    def _start(self, spec: dict[str, Any]) -> Container:
        return Container(spec, self.volumes, self.network)

    def status(self) -> dict[str, Any]:
        with self._lock:
            if not self.containers and all(one.state.get("terminated", {}).get("exitCode") == 0 for one in self.init):
                self.containers = [self._start(spec) for spec in self.spec["containers"]]
        if self.reason:
            return {"phase": "Failed", "reason": self.reason, "message": "by the test"}
        waiting = [
            {"name": spec["name"], "state": {"waiting": {"reason": "PodInitializing"}}}
            for spec in self.spec["containers"] if not self.containers
        ]  # fmt: skip
        return {
            "phase": "Running" if self.containers else "Pending",
            "initContainerStatuses": [{"name": one.name, "state": one.state} for one in self.init],
            "containerStatuses": [*waiting, *({"name": one.name, "state": one.told} for one in self.containers)],
        }

    def container(self, name: str) -> Container | None:
        found = [one for one in [*self.init, *self.containers] if one.name == name and "running" in one.state]
        return found[0] if found else None

    def evict(self, reason: str) -> None:
        self.reason = reason
        for one in self.containers:
            one.end()

    def end(self) -> None:
        for one in [*self.init, *self.containers]:
            one.end()
        self._network.kill()
        self._network.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

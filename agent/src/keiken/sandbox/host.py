"""The executor of ``--on host``: carries a replay out on the real machine, confined by Landlock as far as the kernel
can.

For the agent's side only: it is asked for by name, after conditions, permissions and a plan were shown. Nothing
imports this
module but the command that offers it; the marketplace cannot.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keiken.conditions import probe as probe_facts
from keiken.errors import Failed, Refused, SandboxUnavailable
from keiken.i18n import _
from keiken.paths import cache_dir
from keiken.sandbox import landlock, linux, mounts, ports
from keiken.sandbox.bwrap_arguments import limits_of
from keiken.sandbox.jobfolder import JobFolder
from keiken.sandbox.protocol import Capability, Environment, FileState, Isolation, Limits
from keiken.sandbox.session import BASE_ENVIRONMENT, KeptSandbox
from keiken.sandbox.start import NotStarted, start

NAME = "host"
_NET_ABI = 4
_KEPT_LIMITS = ("RLIMIT_CORE", "RLIMIT_NOFILE")


def environment() -> Environment:
    """This machine as it is; its digest is made over its facts."""
    facts = probe_facts()
    text = json.dumps(facts, sort_keys=True, default=str)
    return Environment(
        name=NAME, digest="sha256:" + hashlib.sha256(text.encode()).hexdigest(), root=Path("/"), facts=facts
    )


class HostDriver:
    """Opens executors for this machine. ``write`` are the package's declared ``permissions.write``."""

    name = NAME

    def __init__(self, write: Sequence[str] = ("work/**",)) -> None:
        self._write = tuple(write)

    def probe(self) -> Capability:
        """What the kernel can enforce here; there is nothing to self-test in what is meant to change the machine."""
        version = landlock.abi()
        problem, advice = "", ""
        if version == 0:
            problem = _("This kernel has no Landlock: declared paths and commands are only checked, not enforced.")
            advice = _("Use a kernel with Landlock (Linux 5.13, lsm=landlock), or replay in a sandbox.")
        elif version < _NET_ABI:
            problem = _("This kernel's Landlock cannot limit the network.")
            advice = _("Linux 6.7 or newer can.")
        return Capability(
            driver=self.name,
            working=True,
            isolation=_isolation(),
            limits_enforced=False,
            problem=problem,
            advice=advice,
        )

    def open(
        self,
        *,
        environment: Environment,
        package: Path,
        commands: Sequence[str],
        network: Sequence[str],
        limits: Limits,
    ) -> HostSandbox:
        """An executor over a copy of the package in a folder of its own. Raises Refused, SandboxUnavailable."""
        outside = [_declared(pattern) for pattern in self._write if pattern.startswith("/")]
        allowed = declared_ports(network)
        folder = _job_folder(package)
        job = folder / "job"
        own = [str(job / "work"), str(folder / "tmp"), str(folder / "home")]
        plan = {
            "folder": str(folder),
            "job": str(job),
            "commands": list(commands),
            "write": own + [path for path, _below in outside],
            "ports": allowed,
            "limits": {name: value for name, value in limits_of(asdict(limits)).items() if name in _KEPT_LIMITS},
        }
        try:
            started = start("host_keeper", plan)
        except NotStarted as trouble:
            shutil.rmtree(folder, ignore_errors=True)
            words = trouble.complaints or str(trouble.message.get("message", ""))
            raise SandboxUnavailable(
                "host_executor_failed",
                _("The executor for this machine did not start: {words}").format(words=words[-300:]),
                _("Replay in a sandbox instead."),
            ) from trouble
        return HostSandbox(
            own_folder=folder,
            environment=environment,
            limits=limits,
            limits_enforced=False,
            control=started.control,
            process=started.process,
            folder=HostFolder(job, outside),
            uid=os.geteuid(),
            base_environment={
                **BASE_ENVIRONMENT,
                "PATH": os.environ.get("PATH", BASE_ENVIRONMENT["PATH"]),
                "HOME": str(folder / "home"),
                "TMPDIR": str(folder / "tmp"),
            },
        )


class HostSandbox(KeptSandbox):
    """The protocol of a sandbox, on the real machine. What a replay starts in the background ends with it."""

    driver = NAME
    confines_services = True

    def __init__(self, *, own_folder: Path, **rest: Any) -> None:
        super().__init__(**rest)
        self._own_folder = own_folder

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._own_folder, ignore_errors=True)

    @property
    def isolation(self) -> Isolation:  # type: ignore[override]  # depends on this machine's kernel
        return _isolation()

    def connect(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """A TCP connection from this machine. The engine has held the address against ``permissions.network``."""
        self.refuse_when_settled()
        return socket.create_connection((host, port), timeout_seconds)

    def listening_ports(self) -> frozenset[int]:
        """The TCP ports on which anything on this machine listens."""
        found: set[int] = set()
        for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
            if path.exists() and not self.is_settled:
                found |= ports.listening(path.read_bytes())
        return frozenset(found)


class HostFolder(JobFolder):
    """The job folder, and the declared absolute paths beside it, which may lie on other mounts."""

    resolve = linux.RESOLVE_NO_SYMLINKS | linux.RESOLVE_NO_MAGICLINKS | linux.RESOLVE_BENEATH

    def __init__(self, job: Path, outside: Sequence[tuple[str, bool]]) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        super().__init__(os.open(job, flags), os.open(job / "work", flags), os.geteuid(), os.getegid())
        self._outside = outside
        self._root = os.open("/", flags)

    def close(self) -> None:
        super().close()
        if self._root >= 0:
            os.close(self._root)
        self._root = -1

    def read(self, path: str) -> FileState:
        return self.read_at(self._root, path[1:]) if path.startswith("/") else super().read(path)

    def writable(self, path: str) -> tuple[int, str, str]:
        if not path.startswith("/"):
            return super().writable(path)
        parts = path[1:].split("/")
        declared = any(path.startswith(f"{place}/") if below else path == place for place, below in self._outside)
        if not declared or self._root < 0 or any(part in ("", ".", "..") for part in parts) or "\0" in path:
            raise Failed(
                "path_not_writable",
                _("'{path}' is not among the paths this experience declared to write.").format(path=path),
                _("Declare it in permissions.write."),
                {"file": path},
            )
        return self._root, "/".join(parts[:-1]), parts[-1]


def _isolation() -> Isolation:
    return "landlock" if landlock.abi() else "none"


def _declared(pattern: str) -> tuple[str, bool]:
    """(path, whether all below it too). Raises Refused for a pattern Landlock cannot express."""
    place, below = (pattern[:-3], True) if pattern.endswith("/**") else (pattern, False)
    parts = place.split("/")[1:]
    if any(mark in place for mark in "*?[") or any(part in ("", ".", "..") for part in parts):
        raise Refused(
            "write_pattern_not_enforceable",
            _("The write permission '{pattern}' cannot be enforced on a real machine.").format(pattern=pattern),
            _("Name one file, or a folder with '/**' at its end."),
        )
    return place, below


def declared_ports(network: Sequence[str]) -> list[int] | None:
    """The ports of ``host:port`` patterns; None when one of them allows every port. Raises Refused for another
    shape.
    """
    found = set()
    for pattern in network:
        port = pattern.rpartition(":")[2]
        if port == "*":
            return None
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise Refused(
                "network_pattern_invalid",
                _("The network permission '{pattern}' is not of the form host:port.").format(pattern=pattern),
                _("Write for example 'example.org:443'."),
            )
        found.add(int(port))
    return sorted(found)


def _job_folder(package: Path) -> Path:
    """A new private folder with a copy of the package, ``work``, a home and a place for temporary files."""
    base = cache_dir() / "jobs"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in base.glob("job-*"):  # of an owner who was killed between settling and closing
        pid = left.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"job-{os.getpid()}-", dir=base))
    for name in ("job", "tmp", "home"):
        (folder / name).mkdir()
    mounts.copy_package(str(package), str(folder / "job"))
    (folder / "job" / "work").mkdir()
    return folder

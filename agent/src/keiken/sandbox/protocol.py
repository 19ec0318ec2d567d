"""What every sandbox driver offers. The engine and the checks stay outside; a sandbox only carries out actions."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Isolation = Literal["namespace", "usermode-kernel", "virtual-machine", "landlock", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one sandbox may use at most. There is no value that means "unlimited"."""

    wall_seconds: float = 120
    memory_mib: int = 512
    pids: int = 128
    cpus: float = 1.0
    work_mib: int = 64
    work_inodes: int = 20_000
    open_files: int = 1024
    file_mib: int = 64
    output_kept_bytes: int = 1 << 20
    output_killed_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Leave to reach the hosts a package declares. A person or an operator gives it, never a package."""

    addresses: frozenset[str] = frozenset()
    """Addresses that are not public (this machine's, an inner network's) and may be reached where the package declares
    them as they stand here.
    """
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names that are answered from here and looked up nowhere, like in ``/etc/hosts``."""
    connections: int = 32
    transferred_mib: int = 256
    """Both directions of all connections together."""
    idle_seconds: float = 60
    connection_seconds: float = 600
    noted: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One request for a way out, as the proxy decided it."""

    host: str
    port: int
    method: str
    """``CONNECT``, or the method of a plain HTTP request."""
    code: str = ""
    """Empty where it was let through; else why not, or what ended it: ``not_declared``, ``address_not_public``,
    ``unresolved``, ``unreachable``, ``malformed``, ``too_many_connections``, ``limit_exceeded``, ``timeout``, and
    ``failed`` for trouble of ours. With ``left_out`` this stands for further ones that were only counted.
    """
    address: str = ""
    """What it was connected to."""
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0
    count: int = 1
    began: float = 0.0
    """When it was accepted, by this machine's ``time.monotonic()``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A named, digest-pinned root file system. ``local`` is the machine's own ``/usr``, read-only."""

    name: str
    digest: str
    """``sha256:…`` over the recipe and the files; for ``local`` over the probed facts."""
    root: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Probed inside, never declared."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that every process inside starts with, beside the usual ones: a locale, a time zone."""


RunReason = Literal["exited", "signaled", "timeout", "out_of_memory", "output_limit", "killed", "not_found"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How one process ended, as seen by its parent outside the sandbox."""

    exit_code: int
    """The exit status; ``128 + signal`` when ``reason`` is not ``exited``; 127 when ``not_found``."""
    reason: RunReason
    stdout: bytes
    stderr: bytes
    duration_seconds: float
    truncated: bool = False
    cpu_seconds: float | None = None
    """Of the process and of all that it waited for; None where nobody told."""
    peak_memory_bytes: int | None = None
    """Of everything in the sandbox while it ran; None where there is no control group that can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """A file below the job folder as read from outside, without following links."""

    exists: bool
    kind: Literal["absent", "file", "folder", "other"] = "absent"
    size: int = 0
    mode: str = ""
    """Four octal digits, for example ``0600``."""
    content: bytes | None = None
    """None when it is no regular file or larger than the reading limit."""


class Sandbox(Protocol):
    """A live sandbox of one replay. Paths are relative to the job folder (``work/key.pem``)."""

    driver: str
    isolation: Isolation
    environment: Environment

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: bytes,
        timeout_seconds: float,
    ) -> RunResult:
        """Carry out one command in the kept sandbox, cwd = job folder; what it starts in the background lives on."""
        ...

    def start(self, argv: Sequence[str], *, env: Mapping[str, str]) -> None:
        """Start a service that lives until ``settle`` or ``close``."""
        ...

    def connect(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """A TCP connection made inside the sandbox's network (loopback, and by the proxy what is allowed). Raises
        OSError.
        """
        ...

    def connections(self) -> list[Connection]:
        """The requests for a way out that ended since this was last asked, in the order in which they ended."""
        ...

    def listening_ports(self) -> frozenset[int]:
        """The TCP ports on which something inside listens."""
        ...

    def read(self, path: str) -> FileState:
        """Read back without following any link. Never raises for what code inside did to the path."""
        ...

    def paths(self, pattern: str) -> list[str]:
        """The paths of regular files that match a glob (``work/**/*.pem``), sorted, at most 5,000."""
        ...

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Write a file below ``work/``, making folders as needed, never through a link. Raises Failed."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file or folder below ``work/``; absent is fine. Raises Failed."""
        ...

    def settle(self) -> None:
        """Kill everything inside; afterwards only ``read`` and ``paths`` work."""
        ...

    def close(self) -> None:
        """Kill and remove everything that is left. May be called again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a driver can enforce on this machine, and how it knows."""

    driver: str
    working: bool
    isolation: Isolation
    limits_enforced: bool
    """False where no cgroup may be made: memory and CPU are then only bounded per process."""
    problem: str = ""
    advice: str = ""
    self_test: Mapping[str, str] = field(default_factory=dict)
    """Probe name to ``contained`` or what got through."""


class Driver(Protocol):
    name: str

    def probe(self) -> Capability:
        """Run the self-test of refusals; ``working`` is False if a single one is not refused."""
        ...

    def open(
        self,
        *,
        environment: Environment,
        package: Path,
        commands: Sequence[str],
        network: Sequence[str],
        limits: Limits,
        egress: Egress | None = None,
    ) -> Sandbox:
        """Start a sandbox over an unpacked package folder. Raises SandboxUnavailable, and Refused for a ``network``
        that nobody gave leave for (``egress``) or that this driver cannot filter.
        """
        ...

"""A live bubblewrap sandbox, seen from its owner."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from keiken.errors import Failed
from keiken.i18n import _
from keiken.sandbox import ports, wire
from keiken.sandbox.egress.owner import PORT, EgressProxy, through
from keiken.sandbox.egress.rules import is_loopback, is_named_loopback
from keiken.sandbox.inside import PATH
from keiken.sandbox.jobfolder import JobFolder
from keiken.sandbox.output import Collector
from keiken.sandbox.protocol import Connection, Environment, FileState, Isolation, Limits, RunReason, RunResult
from keiken.sandbox.start import Running

BASE_ENVIRONMENT = {"HOME": "/home/job", "PATH": PATH, "LANG": "C.UTF-8", "TZ": "UTC"}
_END_SECONDS = 10
_LOOK_SECONDS = 1.0


class KeptSandbox:
    """One kept sandbox: every ``run`` is a new process in it, whose end is seen by a parent outside."""

    driver: str
    isolation: Isolation
    confines_services = False

    def __init__(
        self,
        *,
        environment: Environment,
        limits: Limits,
        limits_enforced: bool,
        control: socket.socket,
        process: Running,
        folder: JobFolder,
        port_tables: Sequence[int] = (),
        uid: int,
        base_environment: Mapping[str, str] = BASE_ENVIRONMENT,
    ) -> None:
        self.environment, self.limits, self.limits_enforced = environment, limits, limits_enforced
        self.usage: dict[str, int] = {}
        self._control, self._process, self._folder = control, process, folder
        self._port_tables, self.uid = list(port_tables), uid
        self._lock = threading.RLock()
        self._number = 0
        self._base_environment = {**base_environment, **environment.variables}
        self._seconds_left = limits.wall_seconds
        self._gone = self.is_settled = False

    # Carrying out

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], stdin: bytes, timeout_seconds: float) -> RunResult:
        """Carry out one declared command and wait for it. Raises Failed when the sandbox has been settled."""
        return self.execute(argv, env=env, stdin=stdin, timeout_seconds=timeout_seconds, confined=True)

    def execute(
        self, argv: Sequence[str], *, env: Mapping[str, str], stdin: bytes, timeout_seconds: float, confined: bool
    ) -> RunResult:
        """``run``; not ``confined`` also executes what is not declared, for our own probes and services."""
        with self._lock:
            started = time.monotonic()
            allowed = max(0.0, min(timeout_seconds, self._seconds_left))
            collector = Collector(self.limits.output_kept_bytes, self.limits.output_killed_bytes)
            try:
                number = self._launch(argv, env, stdin, collector.ends(self.uid), confined=confined)
                ended = self._wait(number, collector, started + allowed)
            except BaseException:
                collector.close()
                raise
            seconds = time.monotonic() - started
            self._seconds_left -= seconds
            self._hand_over(collector)
            return _result(ended, collector, seconds)

    def start(self, argv: Sequence[str], *, env: Mapping[str, str]) -> None:
        """Start a service, which may execute whatever the environment has. Raises Failed when it cannot be executed."""
        with self._lock:
            null = [os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC) for _stream in range(2)]
            number = self._launch(argv, env, b"", null, confined=self.confines_services, announce=True)
            told = self._next(time.monotonic() + _END_SECONDS, number) or {"gone": True}
        if told.get("failed") or told.get("gone"):
            raise Failed(
                "service_not_started",
                _("The service '{command}' cannot be started.").format(command=argv[0]),
                _("See that the environment has this command."),
                {"command": list(argv)},
            )

    def _launch(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        stdin: bytes,
        outputs: Sequence[int],
        *,
        confined: bool,
        announce: bool = False,
    ) -> int:
        """Send the order; the descriptors of the outputs are given away."""
        self._number += 1
        order = {"argv": list(argv), "env": {**self._base_environment, **env}, "confined": confined}
        payload = wire.sealed(json.dumps(order).encode())
        source = wire.sealed(stdin) if stdin else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.refuse_when_settled()
            if not self._gone:
                message = {"do": "run", "id": self._number, "announce": announce}
                wire.send(self._control, message, [payload, source, *outputs])
        except OSError:
            self._gone = True
        finally:
            for fd in (payload, source, *outputs):
                os.close(fd)
        return self._number

    def refuse_when_settled(self) -> None:
        if self.is_settled:
            raise Failed(
                "sandbox_settled",
                _("The sandbox has been settled; nothing can be carried out in it any more."),
                _("Open a new one."),
            )

    def _wait(self, number: int, collector: Collector, deadline: float) -> dict[str, Any]:
        """Collect output until the process has ended, killing it at its limits. The launcher's words on its end."""
        killed: RunReason | None = None
        with selectors.DefaultSelector() as selector:
            collector.register(selector)
            selector.register(self._control, selectors.EVENT_READ)
            while not self._gone:
                # A Ctrl-C that comes just before a thread begins to wait does not wake it; the next look notices it.
                for key, _events in selector.select(min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic()))):
                    if key.fileobj is self._control:
                        message = self._hear()
                        if message.get("id") == number and "status" in message:
                            collector.finish()
                            return {**message, "killed": killed}
                    else:
                        collector.take(key.fd, selector)
                if killed is None and collector.is_over:
                    killed = "output_limit"
                elif time.monotonic() < deadline:
                    continue
                elif killed is not None:
                    self._gone = True  # not even SIGKILL helps: the kernel holds it
                    continue
                else:
                    killed = "timeout"
                self._order({"do": "kill", "id": number})
                deadline = time.monotonic() + _END_SECONDS
        return {"gone": True, "killed": killed}

    def _hear(self) -> dict[str, Any]:
        """The launcher's next message, noting the end of the sandbox itself."""
        received = wire.receive(self._control)
        if received is None:
            self._gone = True
            return {}
        message, fds = received
        for fd in fds:
            os.close(fd)
        if message.get("gone"):
            self._gone = True
        return message

    def _next(self, deadline: float, number: int) -> dict[str, Any] | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            while not self._gone and selector.select(max(0.0, deadline - time.monotonic())):
                message = self._hear()
                if message.get("id") == number:
                    return message
        return None

    def _order(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        try:
            wire.send(self._control, message, fds)
        except OSError:
            self._gone = True

    def _hand_over(self, collector: Collector) -> None:
        """Let the launcher empty pipes that background processes still hold."""
        if fds := collector.open_fds():
            if not self._gone:
                self._order({"do": "drain"}, fds)
            collector.close()

    def connections(self) -> list[Connection]:
        """The requests for a way out that ended since this was last asked; none where there is none."""
        return []

    # The job folder

    def read(self, path: str) -> FileState:
        return self._folder.read(path)

    def paths(self, pattern: str) -> list[str]:
        return self._folder.paths(pattern)

    def write(self, path: str, content: bytes, mode: int) -> None:
        self.refuse_when_settled()
        self._folder.write(path, content, mode)

    def remove(self, path: str) -> None:
        """Remove what is there; done by ``rm`` inside, with the job's own rights and no others."""
        self.refuse_when_settled()
        self._folder.writable(path)
        if not self._folder.exists(path):
            return
        argv = ["/bin/rm", "-rf", "--one-file-system", "--", path]
        result = self.execute(argv, env={}, stdin=b"", timeout_seconds=30, confined=False)
        if self._folder.exists(path):
            raise Failed(
                "file_not_removed",
                _("'{path}' cannot be removed: {trouble}").format(
                    path=path, trouble=result.stderr[-300:].decode(errors="replace").strip()
                ),
                _("See whether something inside still uses or protects it."),
                {"file": path},
            )

    # Ending

    def settle(self) -> None:
        """Kill everything inside; afterwards only ``read`` and ``paths`` work."""
        with self._lock:
            if self.is_settled:
                return
            self.is_settled = True
            self._order({"do": "end"})
            self._hear_the_end()
            self._control.close()
            self._process.end(_END_SECONDS)  # everything inside dies with it; the next start removes the control group
            for fd in self._port_tables:
                os.close(fd)
            self._port_tables = []

    def _hear_the_end(self) -> None:
        self._control.settimeout(_END_SECONDS)
        with contextlib.suppress(OSError):
            while (received := wire.receive(self._control)) is not None:
                message, fds = received
                for fd in fds:
                    os.close(fd)
                if message.get("ended"):
                    self.usage = {"peak_memory_bytes": int(message["peak_memory_bytes"])}
                    return

    def close(self) -> None:
        """Settle and let go of the work folder, whose files then no longer exist anywhere."""
        self.settle()
        self._folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class NamespaceSandbox(KeptSandbox):
    """A sandbox with a network of its own, which is reached through the launcher."""

    isolation: Isolation = "namespace"
    _proxy: EgressProxy | None = None

    def open_way_out(self, proxy: EgressProxy) -> None:
        """Reach what is beyond loopback by this proxy, which ends with the sandbox."""
        self._proxy = proxy

    def connections(self) -> list[Connection]:
        return self._proxy.take() if self._proxy else []

    def settle(self) -> None:
        if self._proxy is not None:
            self._proxy.end()
        super().settle()

    def connect(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """A TCP connection inside the sandbox's network, or by the proxy to a host that is allowed."""
        if self._proxy is None or is_loopback(host):
            return self._connect_inside(_literal(host), port, timeout_seconds)
        return through(lambda: self._connect_inside("127.0.0.1", PORT, timeout_seconds), host, port, timeout_seconds)

    def _connect_inside(self, address: str, port: int, timeout_seconds: float) -> socket.socket:
        ours, theirs = wire.pair()
        with ours:
            with self._lock, theirs:
                self.refuse_when_settled()
                order = {"do": "connect", "host": address, "port": port, "seconds": timeout_seconds}
                self._order(order, [theirs.fileno()])
            ours.settimeout(timeout_seconds + 1)
            received = wire.receive(ours)
        if received is None:
            raise ConnectionAbortedError("the sandbox has ended")
        message, fds = received
        if message["errno"]:
            raise OSError(message["errno"], os.strerror(message["errno"]))
        return socket.socket(fileno=fds[0])

    def listening_ports(self) -> frozenset[int]:
        """The TCP ports on which something inside listens; the way out is none of them."""
        found = frozenset(port for fd in self._port_tables for port in ports.listening(_whole(fd)))
        return found - {PORT} if self._proxy else found


class BubblewrapSandbox(NamespaceSandbox):
    """A sandbox that bubblewrap made."""

    driver = "bubblewrap"


def _result(ended: dict[str, Any], collector: Collector, seconds: float) -> RunResult:
    status = int(ended.get("status", -9))
    reason: RunReason = "exited" if status >= 0 else "signaled"
    stdout, stderr, truncated = collector.kept()
    failed = str(ended.get("failed", ""))
    if ended["killed"]:
        reason, status = ended["killed"], -9
    elif ended.get("gone"):
        reason, status = "killed", -9
    elif ended.get("oom") and status != 0:
        reason = "out_of_memory"
    elif failed:
        missing = failed in ("2", "20")
        reason, status = ("not_found", 127) if missing else ("exited", 126)
        words = os.strerror(int(failed)) if failed.isdigit() else failed
        stderr = stderr or f"cannot execute: {words}\n".encode()
    return RunResult(
        exit_code=status if status >= 0 else 128 - status,
        reason=reason,
        stdout=stdout,
        stderr=stderr,
        duration_seconds=seconds,
        truncated=truncated,
        cpu_seconds=ended.get("cpu_seconds"),
        peak_memory_bytes=ended.get("peak_memory_bytes"),
    )


def _literal(host: str) -> str:
    """The address of a host that can exist in a network of its own. Names are never looked up out here."""
    name = host.strip("[]").rstrip(".").lower()
    if is_named_loopback(name):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        raise OSError(-2, f"'{host}' is not known in the sandbox, which has only its loopback") from None


def _whole(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    pieces = []
    while piece := os.read(fd, 65_536):
        pieces.append(piece)
    return b"".join(pieces)

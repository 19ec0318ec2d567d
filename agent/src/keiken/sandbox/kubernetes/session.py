"""A live Pod, seen from its owner."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

from keiken.errors import Failed, SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox import seccomp
from keiken.sandbox.bwrap_arguments import limits_of
from keiken.sandbox.egress.rules import is_loopback
from keiken.sandbox.kubernetes import channels, manifests, programs
from keiken.sandbox.kubernetes.api import Api
from keiken.sandbox.kubernetes.channels import STDOUT, Execution, ExecutionLost
from keiken.sandbox.kubernetes.keeper import RemoteFolder, packed, packed_list
from keiken.sandbox.protocol import Connection, Environment, FileState, Isolation, Limits, RunReason, RunResult
from keiken.sandbox.session import BASE_ENVIRONMENT

_END_SECONDS = 30.0
_TOLD_SECONDS = 10.0
"""A cluster tells the end of a container some time after the connection into it has broken."""
_KINDS = {"RLIMIT_CORE": 4, "RLIMIT_FSIZE": 1, "RLIMIT_NOFILE": 7, "RLIMIT_STACK": 3, "RLIMIT_MEMLOCK": 8}
"""The numbers of the kernel's resources that are set for each process; processes are the cluster's to limit."""
_FRAME_HEAD = struct.Struct(">cI")


class _Output:
    """What a command said, kept up to a size."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.kept = {b"O": bytearray(), b"E": bytearray()}
        self.total, self.is_cut = 0, False

    def add(self, stream: bytes, piece: bytes) -> None:
        self.total += len(piece)
        room = self._limits.output_kept_bytes - len(self.kept[stream])
        self.kept[stream] += piece[: max(0, room)]
        self.is_cut = self.is_cut or len(piece) > room

    @property
    def is_over(self) -> bool:
        return self.total > self._limits.output_killed_bytes


class _Told:
    """What an attendant says of its command, frame by frame."""

    def __init__(self, output: _Output) -> None:
        self._output = output
        self._heard = b""
        self._complaint = ""
        self._is_told_off = False
        self.pid = 0
        self.end: dict[str, Any] | None = None

    def hear(self, execution: Execution, deadline: float) -> RunReason | None:
        """Take the next message; why the command is to be killed, if it is. Raises ExecutionLost."""
        try:
            received = execution.receive(max(0.001, deadline - time.monotonic()))
        except TimeoutError:
            return "timeout"
        if received is None:
            raise ExecutionLost(f"the command's attendant ended. {self._complaint}".strip())
        if received[0] == STDOUT:
            self._heard += received[1]
        else:
            self._complaint += received[1][: 500 - len(self._complaint)].decode(errors="replace")
        self._take_frames()
        if self._output.is_over and not self._is_told_off:
            self._is_told_off = True
            return "output_limit"
        return None

    def _take_frames(self) -> None:
        while len(self._heard) >= _FRAME_HEAD.size:
            kind, length = _FRAME_HEAD.unpack_from(self._heard)
            content = self._heard[_FRAME_HEAD.size : _FRAME_HEAD.size + length]
            if len(content) < length:
                return
            self._heard = self._heard[_FRAME_HEAD.size + length :]
            if kind == b"P":
                self.pid = int(content)
            elif kind == b"S":
                self.end = _ended(content)
            elif kind in self._output.kept:
                self._output.add(kind, content)


class KubernetesSandbox:
    """One Pod. Commands run in its container ``job``; files are the keeper's."""

    driver = "kubernetes"
    limits_enforced = True

    def __init__(self, *, api: Api, pod: str, isolation: Isolation, environment: Environment, limits: Limits) -> None:
        self.isolation: Isolation = isolation
        self.environment, self.limits = environment, limits
        self.uid = manifests.USER
        self.pod = pod
        self.is_settled = False
        self._api = api
        self._lock = threading.RLock()
        self._base_environment = {**BASE_ENVIRONMENT, **environment.variables}
        self._seconds_left = limits.wall_seconds
        self._folder = RemoteFolder(api, pod)
        self._is_closed = False

    # Carrying out

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], stdin: bytes, timeout_seconds: float) -> RunResult:
        """Carry out one command and wait for it. Raises Failed when settled, SandboxUnavailable."""
        with self._lock:
            self.refuse_when_settled()
            started = time.monotonic()
            allowed = max(0.0, min(timeout_seconds, self._seconds_left))
            output = _Output(self.limits)
            ended = self._carried_out(argv, env, stdin, output, started + allowed)
            seconds = time.monotonic() - started
            self._seconds_left -= seconds
            return self._result(ended, output, seconds)

    def start(self, argv: Sequence[str], *, env: Mapping[str, str]) -> None:
        """Start a service. Raises Failed when it cannot be executed."""
        with self._lock:
            self.refuse_when_settled()
            output = _Output(self.limits)
            ended = self._carried_out(argv, env, b"", output, time.monotonic() + _END_SECONDS, mode="start")
        if ended.get("failed") or "status" not in ended:
            raise Failed(
                "service_not_started",
                _("The service '{command}' cannot be started.").format(command=argv[0]),
                _("See that the environment has this command."),
                {"command": list(argv)},
            )

    def refuse_when_settled(self) -> None:
        if self.is_settled:
            raise Failed(
                "sandbox_settled",
                _("The sandbox has been settled; nothing can be carried out in it any more."),
                _("Open a new one."),
            )

    def _carried_out(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        stdin: bytes,
        output: _Output,
        deadline: float,
        *,
        mode: str = "run",
    ) -> dict[str, Any]:
        """How it ended, as the attendant tells it, and what we did about it."""
        order = self._order(argv, env, stdin, mode)
        told = _Told(output)
        killed: RunReason | None = None
        argv = ["/usr/bin/perl", "-e", programs.ATTENDANT]
        try:
            with Execution.start(self._api, self.pod, manifests.JOB, argv) as execution:
                execution.send(struct.pack(">I", len(order)) + order)
                while told.end is None:
                    why = told.hear(execution, deadline)
                    if why is None:
                        continue
                    if killed is not None or not told.pid:
                        return {"killed": killed or why}
                    killed = why
                    self._kill(told.pid)
                    deadline = time.monotonic() + _END_SECONDS
                return {**told.end, "killed": killed}
        except (ExecutionLost, SandboxUnavailable) as lost:
            return {"killed": killed or self._why_lost(lost)}

    def _order(self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes, mode: str) -> bytes:
        """All a command is told: over its standard input, for arguments of ours would stand in the audit log."""
        limits = limits_of(asdict(self.limits))
        filter_program = seccomp.program()
        words = [f"{number}={limits[name]}".encode() for name, number in _KINDS.items()]
        variables = {**self._base_environment, **env}
        pairs = [os.fsencode(text) for pair in variables.items() for text in pair]
        return (
            packed(mode.encode(), stdin, filter_program, str(self.limits.output_killed_bytes).encode())
            + packed_list(words)
            + packed_list(pairs)
            + packed_list([os.fsencode(word) for word in argv])
        )

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(ExecutionLost, SandboxUnavailable, TimeoutError):
            channels.run(self._api, self.pod, manifests.JOB, ["/usr/bin/perl", "-e", programs.KILL, str(pid)])

    def _why_lost(self, lost: Exception) -> RunReason:
        """From the cluster: whether memory ended it. Raises SandboxUnavailable when it was not the package's doing."""
        deadline = time.monotonic() + _TOLD_SECONDS
        while (ended := self._ended(lost)) is None:
            is_late = time.monotonic() > deadline
            # A container that has just ended is one in which nothing can be started: a failure like any other.
            if isinstance(lost, SandboxUnavailable) and (is_late or lost.code != "kubernetes_failed"):
                raise lost
            if is_late:
                raise SandboxUnavailable(
                    "sandbox_lost",
                    _("The connection to the sandbox was lost: {why}").format(why=lost),
                    _("Try again."),
                ) from lost
            time.sleep(0.1)
        return "out_of_memory" if ended.get("reason") == "OOMKilled" else "killed"

    def _ended(self, lost: Exception) -> Mapping[str, Any] | None:
        """How the job's container ended; None while it runs. Raises SandboxUnavailable when the cluster ended it."""
        found = self._api.pod(self.pod)
        status = (found or {}).get("status", {})
        if found is None or status.get("reason") in ("Evicted", "NodeLost", "Preempting", "DeadlineExceeded"):
            raise SandboxUnavailable(
                "sandbox_lost",
                _("The cluster ended the sandbox: {why}").format(why=status.get("reason") or _("the Pod is gone")),
                _("Try again; the cluster's events for this Pod say more."),
            ) from lost
        return _terminated(found, manifests.JOB)

    def _result(self, ended: dict[str, Any], output: _Output, seconds: float) -> RunResult:
        status, failed = int(ended.get("status", 9)), str(ended.get("failed", ""))
        code = status >> 8 if not status & 127 else 128 + (status & 127)
        reason: RunReason = "signaled" if status & 127 else "exited"
        stderr = bytes(output.kept[b"E"])
        if ended["killed"]:
            reason, code = ended["killed"], 137
        elif ended.get("oom") and status != 0:
            reason = "out_of_memory"
        elif failed:
            is_missing = failed in ("2", "20")
            reason, code = ("not_found", 127) if is_missing else ("exited", 126)
            words = os.strerror(int(failed)) if failed.isdigit() else failed
            stderr = stderr or f"cannot execute: {words}\n".encode()
        return RunResult(
            exit_code=code,
            reason=reason,
            stdout=bytes(output.kept[b"O"]),
            stderr=stderr,
            duration_seconds=seconds,
            truncated=output.is_cut,
            cpu_seconds=ended.get("cpu_seconds"),
            peak_memory_bytes=ended.get("peak_memory_bytes"),
        )

    # The network, which is the Pod's loopback only

    def connect(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """A TCP connection to the Pod's loopback. Raises OSError."""
        if not is_loopback(host):
            raise OSError(-2, f"'{host}' is not known in the sandbox, which has only its loopback")
        self.refuse_when_settled()
        argv = ["/usr/bin/perl", "-e", programs.CONNECT, "127.0.0.1", str(port)]
        try:
            execution = Execution.start(self._api, self.pod, manifests.KEEPER, argv)
            first = b""
            while len(first) < 4:
                received = execution.receive(timeout_seconds)
                if received is None:
                    raise ConnectionAbortedError("the sandbox has ended")
                first += received[1] if received[0] == STDOUT else b""
        except (ExecutionLost, SandboxUnavailable) as lost:
            raise ConnectionAbortedError(str(lost)) from lost
        (number,) = struct.unpack(">I", first[:4])
        if number:
            execution.close()
            raise OSError(number, os.strerror(number))
        ours, theirs = socket.socketpair()
        threading.Thread(target=_pump_in, args=[execution, ours, first[4:]], daemon=True).start()
        threading.Thread(target=_pump_out, args=[execution, ours], daemon=True).start()
        return theirs

    def connections(self) -> list[Connection]:
        """None: nothing leads out of a Pod."""
        return []

    def listening_ports(self) -> frozenset[int]:
        return self._folder.listening_ports()

    # The job folder

    def read(self, path: str) -> FileState:
        return self._folder.read(path)

    def paths(self, pattern: str) -> list[str]:
        return self._folder.paths(pattern)

    def write(self, path: str, content: bytes, mode: int) -> None:
        self.refuse_when_settled()
        self._folder.write(path, content, mode)

    def remove(self, path: str) -> None:
        self.refuse_when_settled()
        self._folder.remove(path)

    # Ending

    def settle(self) -> None:
        """End the container ``job``, and believe it only when the cluster says so. Raises SandboxUnavailable."""
        with self._lock:
            if self.is_settled:
                return
            self.is_settled = True
            with contextlib.suppress(ExecutionLost, SandboxUnavailable, TimeoutError):
                channels.run(self._api, self.pod, manifests.JOB, ["/usr/bin/perl", "-e", programs.END], seconds=5)
            deadline = time.monotonic() + _END_SECONDS
            while True:
                found = self._api.pod(self.pod)
                if found is None or _terminated(found, manifests.JOB) is not None:
                    return
                if time.monotonic() > deadline:
                    self._api.delete_pod(self.pod)
                    raise SandboxUnavailable(
                        "sandbox_lost",
                        _("What runs in the sandbox could not be ended in time; it was thrown away."),
                        _("Try again."),
                    )
                time.sleep(0.1)

    def close(self) -> None:
        """Delete the Pod, with all its memory. May be called again."""
        with self._lock:
            if self._is_closed:
                return
            self.is_settled = self._is_closed = True
            self._folder.close()
            try:
                self._api.delete_pod(self.pod)
            finally:
                self._api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _ended(content: bytes) -> dict[str, Any]:
    (status,) = struct.unpack(">I", content[:4])
    oom, cpu, peak, *failed = content[8:].decode("ascii", "replace").split(" ")
    return {
        "status": status,
        "oom": oom == "1",
        "cpu_seconds": round(float(cpu), 6),
        "peak_memory_bytes": int(float(peak)) or None,
        "failed": "".join(failed),
    }


def _terminated(pod: Mapping[str, Any], container: str) -> Mapping[str, Any] | None:
    """How a container ended; None while it runs."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == container and "terminated" in status.get("state", {}):
            ended: Mapping[str, Any] = status["state"]["terminated"]
            return ended
    return None


def _pump_in(execution: Execution, ours: socket.socket, first: bytes) -> None:
    with contextlib.suppress(OSError, ExecutionLost, TimeoutError):
        ours.sendall(first)
        while (received := execution.receive(None)) is not None:
            if received[0] == STDOUT:
                ours.sendall(received[1])
    with contextlib.suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)
    ours.close()


def _pump_out(execution: Execution, ours: socket.socket) -> None:
    with contextlib.suppress(OSError, ExecutionLost):
        while piece := ours.recv(65_536):
            execution.send(piece)
        execution.end_input()

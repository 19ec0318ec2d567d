"""A sandbox that is only a mapping of files and a table of commands: for tests of the engine's own logic."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from keiken.sandbox.patterns import matches
from keiken.sandbox.protocol import Connection, Environment, FileState, Isolation, RunReason, RunResult

Command = Callable[["MemorySandbox", Sequence[str], Mapping[str, str]], RunResult]


def ran(exit_code: int = 0, stdout: str = "", *, reason: RunReason = "exited", truncated: bool = False) -> RunResult:
    return RunResult(
        exit_code=exit_code, reason=reason, stdout=stdout.encode(), stderr=b"", duration_seconds=0.01,
        truncated=truncated,
    )  # fmt: skip


class MemorySandbox:
    driver = "memory"
    isolation: Isolation = "none"
    limits_enforced = True

    def __init__(self, commands: Mapping[str, Command] | None = None) -> None:
        self.environment = Environment(name="memory", digest="sha256:00", root=Path("/"))
        self.commands = dict(commands or {})
        self.files: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.environments: list[dict[str, str]] = []
        self.ports: set[int] = set()

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], stdin: bytes, timeout_seconds: float) -> RunResult:
        self.calls.append(" ".join(argv))
        self.environments.append(dict(env))
        command = self.commands.get(argv[0])
        return ran(127, reason="not_found") if command is None else command(self, argv, env)

    def start(self, argv: Sequence[str], *, env: Mapping[str, str]) -> None:
        self.calls.append("start " + " ".join(argv))

    def connect(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        self.calls.append(f"connect {host}:{port}")
        raise ConnectionRefusedError(111, "Connection refused")

    def connections(self) -> list[Connection]:
        return []

    def listening_ports(self) -> frozenset[int]:
        return frozenset(self.ports)

    def read(self, path: str) -> FileState:
        content = self.files.get(path)
        if content is None:
            return FileState(exists=False)
        return FileState(exists=True, kind="file", size=len(content), mode="0644", content=content)

    def paths(self, pattern: str) -> list[str]:
        return sorted(path for path in self.files if matches(pattern, path))

    def write(self, path: str, content: bytes, mode: int) -> None:
        self.calls.append(f"write {path}")
        self.files[path] = content

    def remove(self, path: str) -> None:
        self.calls.append(f"remove {path}")
        self.files.pop(path, None)

    def settle(self) -> None:
        self.calls.append("settle")

    def close(self) -> None:
        self.calls.append("close")

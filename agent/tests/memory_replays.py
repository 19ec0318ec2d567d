"""Replays over a sandbox in memory, with three commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memory_sandbox import Command, MemorySandbox, ran
from replays import package

from keiken.replay.engine import replay
from keiken.replay.report import Report
from keiken.replay.request import Replay

FACTS = {"os.family": "linux", "os.id": "debian", "tool.openssl": "3.0.2", "host.memory_mib": 1024}


def touch(box: MemorySandbox, argv: Sequence[str], _env: Mapping[str, str]) -> Any:
    for path in argv[1:]:
        box.files[path] = b"made"
    return ran(0, "done\n")


def echo(_box: MemorySandbox, argv: Sequence[str], _env: Mapping[str, str]) -> Any:
    return ran(0, " ".join(argv[1:]) + "\n")


def fail(_box: MemorySandbox, _argv: Sequence[str], _env: Mapping[str, str]) -> Any:
    return ran(1)


COMMANDS: dict[str, Command] = {"touch": touch, "echo": echo, "false": fail}


def run(
    folder: Path, box: MemorySandbox | None = None, *, request: Mapping[str, Any] | None = None, **manifest: Any
) -> tuple[Report, MemorySandbox]:
    box = box or MemorySandbox(COMMANDS)
    job = Replay(package=package(folder, **manifest), executor=lambda: box, **{"facts": FACTS, **(request or {})})
    return replay(job), box


def statuses(report: Report) -> list[str]:
    return [step.status for step in report.steps]

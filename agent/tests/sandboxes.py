"""Real sandboxes for tests."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from keiken.sandbox import environments
from keiken.sandbox.bubblewrap import BubblewrapDriver
from keiken.sandbox.oci import OciDriver
from keiken.sandbox.protocol import Environment, Limits, RunResult
from keiken.sandbox.session import NamespaceSandbox

EVERYDAY = ("cat", "chmod", "dd", "echo", "env", "head", "id", "ln", "ls", "mkdir", "mkfifo", "mv", "perl", "python3",
            "rm", "setsid", "sh", "sleep", "true", "yes")  # fmt: skip

_KINDS: dict[str, type[BubblewrapDriver] | type[OciDriver]] = {"bubblewrap": BubblewrapDriver, "oci": OciDriver}
_used = ["bubblewrap"]


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Sandboxes opened meanwhile are this driver's."""
    _used.append(name)
    try:
        yield
    finally:
        _used.pop()


def driver() -> BubblewrapDriver | OciDriver:
    return _KINDS[_used[-1]]()


@functools.cache
def debian() -> Environment:
    return environments.get_or_local("debian-12")


@contextlib.contextmanager
def opened(
    package: Path,
    *,
    commands: Sequence[str] = EVERYDAY,
    network: Sequence[str] = (),
    environment: Environment | None = None,
    **limits: Any,
) -> Iterator[NamespaceSandbox]:
    """A live sandbox over the package folder, closed at the end."""
    sandbox = driver().open(
        environment=environment or debian(),
        package=package,
        commands=commands,
        network=network,
        limits=Limits(**limits),
    )
    try:
        yield sandbox
    finally:
        sandbox.close()


def shell(sandbox: NamespaceSandbox, script: str, *, seconds: float = 10, **env: str) -> RunResult:
    return sandbox.run(["sh", "-c", script], env=env, stdin=b"", timeout_seconds=seconds)


def perl(sandbox: NamespaceSandbox, script: str, *arguments: str) -> RunResult:
    return sandbox.run(["perl", "-e", script, *arguments], env={}, stdin=b"", timeout_seconds=10)


def package_at(folder: Path) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "scripts").mkdir()
    (folder / "SKILL.md").write_text("---\nname: sample\n---\n", encoding="utf-8")
    (folder / "assets" / "list.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (folder / "scripts" / "hello.sh").write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
    (folder / "scripts" / "hello.sh").chmod(0o755)
    return folder


def until(condition: Callable[[], object], seconds: float = 30) -> bool:
    """Whether it comes to hold. So long a busy machine may take for what a quiet one does at once."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def nap(seconds: int) -> str:
    """The argument of a ``sleep`` by which ``asleep`` tells it from those of the tests that run beside this one."""
    return f"{seconds}.{os.getpid()}"


def asleep(nap: str) -> list[int]:
    return processes_mentioning(f"sleep\0{nap}\0")


def children_of(pid: int) -> set[int]:
    """The processes that any of its threads has started and that were not waited for yet."""
    born: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            born.update(map(int, children.read_text().split()))
    return born


def processes_mentioning(word: str) -> list[int]:
    """Processes of this machine whose command line contains the word, without ourselves."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if word.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found

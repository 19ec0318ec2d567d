"""Recordings for tests: of scripts, here and now; and of a person at a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from commands import PROGRAM

from keiken.conditions import Fact, probe
from keiken.record import Draft, record_shell

PATIENCE_SECONDS = 120
NAME = "a-recording"


@functools.cache
def facts() -> dict[str, Fact]:
    """What this machine is, found out once: that takes half a second."""
    return probe()


def recorded(folder: Path, script: str, *, inputs: Sequence[Path] = (), **options: Any) -> Draft:
    """The draft, in ``folder / "draft"``, of the lines of this script."""
    file = folder / "session.sh"
    file.write_text(script, encoding="utf-8")
    return record_shell(folder=folder / "draft", name=NAME, script=file, inputs=inputs, **options)


def manifest(folder: Path) -> Any:
    """The manifest of a draft as it was written."""
    return yaml.safe_load((folder / "experience.yaml").read_text(encoding="utf-8"))


def trace(folder: Path) -> list[Any]:
    """The lines in the trace of ``folder / "draft"``."""
    return [json.loads(line) for line in (folder / "draft/trace/session.jsonl").read_text("utf-8").splitlines()]


def steps(folder: Path) -> list[Any]:
    """The steps of ``folder / "draft"``, as they were written."""
    found = manifest(folder / "draft")["steps"]
    assert isinstance(found, list)
    return found


def texts(folder: Path) -> dict[str, str]:
    """Every file of a draft by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "surrogateescape")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Person:
    """Types into the ``keiken`` command and reads what it prints, over a pseudo-terminal of its own."""

    def __init__(self, *arguments: str | Path, size: tuple[int, int] = (31, 97), **environ: str) -> None:
        self.terminal, self._other_end = pty.openpty()
        self.resize(*size, signals=False)
        self.settings = termios.tcgetattr(self._other_end)
        self.seen = ""
        self._read_to = 0

        def take_terminal() -> None:
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            stdin=self._other_end,
            stdout=self._other_end,
            stderr=self._other_end,
            start_new_session=True,
            preexec_fn=take_terminal,
            env={**os.environ, "TERM": "dumb", **environ},
        )

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def line(self, text: str, answer: str = "") -> None:
        """Type a line at the prompt, and wait for the prompt after it, and for the answer before that."""
        self.see("(keiken)")
        self.type(f"{text}\r")
        if answer:
            self.see(answer)

    def interrupt(self) -> None:
        """Press Ctrl-C until there is a prompt again, which is left to be seen.

        Once is not always enough: a shell that has not given the terminal to its child yet hears it in the child's place.
        """
        for _ in range(20):
            self.type("\x03")
            until = time.monotonic() + 3
            while (wait := until - time.monotonic()) > 0 and select.select([self.terminal], [], [], wait)[0]:
                self.seen += os.read(self.terminal, 65536).decode("utf-8", "replace")
                if "(keiken)" in self.seen[self._read_to :]:
                    return
        raise AssertionError(f"Ctrl-C ends nothing: {self.seen!r}")

    def see(self, text: str) -> str:
        """Wait for a text that was not waited for yet; all that was printed up to it since the last."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (found := self.seen.find(text, self._read_to)) < 0:
            ready, _w, _x = select.select([self.terminal], [], [], max(0, until - time.monotonic()))
            assert ready, f"{text!r} was not printed: {self.seen!r}"
            data = os.read(self.terminal, 65536)
            self.seen += data.decode("utf-8", "replace")
        before = self.seen[self._read_to : found]
        self._read_to = found + len(text)
        return before

    def resize(self, rows: int, columns: int, *, signals: bool = True) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if signals:
            self.process.send_signal(signal.SIGWINCH)

    def settings_now(self) -> list[Any]:
        return termios.tcgetattr(self._other_end)

    def hang_up(self) -> None:
        os.close(self._other_end)
        os.close(self.terminal)
        self._other_end = self.terminal = -1

    def wait(self) -> int:
        """The exit code; what is printed meanwhile is read."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it does not end: {self.seen!r}"
            if self.terminal < 0:
                time.sleep(0.02)
            elif select.select([self.terminal], [], [], 0.05)[0]:
                self.seen += os.read(self.terminal, 65536).decode("utf-8", "replace")
        if self.terminal >= 0:
            while select.select([self.terminal], [], [], 0)[0]:
                self.seen += os.read(self.terminal, 65536).decode("utf-8", "replace")
        return self.process.returncode

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for descriptor in (self.terminal, self._other_end):
            if descriptor >= 0:
                os.close(descriptor)


@contextlib.contextmanager
def person(*arguments: str | Path, **options: Any) -> Iterator[Person]:
    """Somebody at a terminal in which ``keiken`` was just started."""
    found = Person(*arguments, **options)
    try:
        yield found
    finally:
        found.close()


def processes_with(text: str) -> list[int]:
    """Who has this text in a command line, without ourselves."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            is_other = entry.name.isdigit() and int(entry.name) != os.getpid()
            if is_other and text.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def there(text: str) -> bool:
    """Whether a program with this text in its command line has come to run, after a moment for it to start."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not processes_with(text):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def gone(text: str) -> bool:
    """Whether nothing with this text in its command line remains, after a moment for it to end."""
    until = time.monotonic() + PATIENCE_SECONDS
    while processes_with(text):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True

"""A recorded shell session: what was typed, how it ended, and which files it changed. Nothing is read off a screen.

One bash runs every line, so that variables and folders stay; it tells its parent of each line over descriptors of its
own (8 to tell, 9 to hear), and waits until the parent has looked at the files.
"""

from __future__ import annotations

import hashlib
import os
import pty
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keiken.errors import Failed, UsageError
from keiken.i18n import _

LINE_SECONDS = 600
OUTPUT_LIMIT_BYTES = 64 << 10
FILES_LIMIT = 5_000

_SCRIPTED = r"""
while IFS= read -r -d '' -u 9 __keiken_line; do
    eval "$__keiken_line" </dev/null >"$KEIKEN_OUT" 2>"$KEIKEN_ERR" 8>&- 9<&-
    printf '%s\0%s\0' "$?" "$PWD" >&8
done
"""
_INTERACTIVE = r"""
[ -f ~/.bashrc ] && . ~/.bashrc
HISTCONTROL= HISTIGNORE= HISTFILE=
__keiken_tell() {
    local status=$? line answer
    line=$(HISTTIMEFORMAT= history 1)
    printf '%s\0%s\0%s\0' "$status" "$PWD" "$line" >&8
    IFS= read -r -u 9 answer
    return "$status"
}
PROMPT_COMMAND=__keiken_tell
PS1='(keiken) '"$PS1"
"""

State = dict[str, tuple[int, str, str]]
"""Path below the job folder to size, mode and SHA-256."""


@dataclass
class Line:
    """One line as it was typed, and what came of it."""

    text: str
    exit_code: int
    cwd: str
    """Relative to the job folder; empty for the job folder itself."""
    duration_seconds: float = 0
    stdout: str = ""
    stderr: str = ""
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)


def logical_lines(script: str) -> list[str]:
    """The commands of a script: continued lines joined, here-documents and open quotes kept whole, comments dropped."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        if not pending.strip() or pending.lstrip().startswith("#"):
            pending = ""
        elif _is_complete(pending):
            found.append(pending.strip())
            pending = ""
    if pending:
        raise UsageError("script_incomplete", _("The script ends in the middle of: {line}").format(line=pending[:80]))
    return found


def _is_complete(text: str) -> bool:
    if text.endswith("\\"):
        return False
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    return (
        "unexpected end of file" not in done.stderr
        and "unexpected EOF" not in done.stderr
        and "here-document" not in done.stderr
    )


def record_script(lines: Sequence[str], job: Path, on_line: Callable[[Line], None]) -> list[Line]:
    """Run the lines one after the other in one bash. Raises Failed when bash itself ends early or a line hangs."""
    recorded = []
    with tempfile.TemporaryDirectory() as temporary:
        out, err = Path(temporary, "out"), Path(temporary, "err")
        with _Shell(["bash", "--noprofile", "--norc", "-c", _SCRIPTED], job, out, err) as shell:
            before = state_of(job)
            for text in lines:
                started = time.monotonic()
                shell.say(text.encode() + b"\0")
                answer = shell.hear(2)
                if answer is None:
                    raise Failed("shell_ended", _("The shell ended at: {line}").format(line=text[:80]))
                status, cwd = answer
                after = state_of(job)
                line = _line(text, int(status), cwd, job, before, after)
                line.duration_seconds = round(time.monotonic() - started, 3)
                line.stdout, line.stderr = _tail(out), _tail(err)
                before = after
                recorded.append(line)
                on_line(line)
    return recorded


def record_terminal(job: Path, on_line: Callable[[Line], None]) -> list[Line]:
    """A bash in this terminal; every line is recorded until its person leaves it with ``exit``."""
    recorded: list[Line] = []
    told_read, told_write = os.pipe()
    hear_read, hear_write = os.pipe()
    before = state_of(job)
    seen: set[str] = set()

    def listen() -> None:
        nonlocal before
        while (answer := _read_fields(told_read, 3)) is not None:
            status, cwd, numbered = answer
            number, _space, text = numbered.strip().partition(" ")
            after = state_of(job)
            if number and number not in seen and text.strip():
                line = _line(text.strip(), int(status), cwd, job, before, after)
                recorded.append(line)
                on_line(line)
            seen.add(number)
            before = after
            os.write(hear_write, b"\n")

    with tempfile.NamedTemporaryFile("w", suffix=".bashrc") as rc:
        rc.write(_INTERACTIVE)
        rc.flush()
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(job)
            os.dup2(told_write, 8)
            os.dup2(hear_read, 9)
            os.execvp("bash", ["bash", "--noprofile", "--rcfile", rc.name, "-i"])
        os.close(told_write)
        os.close(hear_read)
        _copy_terminal(terminal)
        os.waitpid(pid, 0)
        listener.join(5)
    return recorded


def _copy_terminal(terminal: int) -> None:
    """Between the person and the shell until the shell ends; the same as pty.spawn does after its fork."""
    import select
    import sys
    import tty

    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    saved = None
    if os.isatty(stdin):
        import termios

        saved = termios.tcgetattr(stdin)
        tty.setraw(stdin)
    watched = [terminal, stdin]
    try:
        while True:
            ready, _w, _x = select.select(watched, [], [])
            if terminal in ready:
                try:
                    data = os.read(terminal, 4096)
                except OSError:
                    return
                if not data:
                    return
                os.write(stdout, data)
            if stdin in ready:
                data = os.read(stdin, 4096)
                if not data:
                    watched.remove(stdin)
                os.write(terminal, data or b"\x04")
    finally:
        if saved is not None:
            import termios

            termios.tcsetattr(stdin, termios.TCSADRAIN, saved)


class _Shell:
    """A bash with two pipes of ours beside its own three."""

    def __init__(self, command: list[str], job: Path, out: Path, err: Path) -> None:
        told_read, told_write = os.pipe()
        hear_read, hear_write = os.pipe()
        self._told, self._hear = told_read, hear_write

        def hand_over() -> None:
            os.dup2(told_write, 8)
            os.dup2(hear_read, 9)

        self._process = subprocess.Popen(
            command,
            cwd=job,
            env={**os.environ, "KEIKEN_OUT": str(out), "KEIKEN_ERR": str(err)},
            stdin=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=hand_over,
            start_new_session=True,
        )
        os.close(told_write)
        os.close(hear_read)

    def __enter__(self) -> _Shell:
        return self

    def __exit__(self, *_details: object) -> None:
        os.close(self._hear)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._told)

    def say(self, data: bytes) -> None:
        os.write(self._hear, data)

    def hear(self, count: int) -> list[str] | None:
        timer = threading.Timer(LINE_SECONDS, lambda: os.killpg(self._process.pid, signal.SIGKILL))
        timer.start()
        try:
            return _read_fields(self._told, count)
        finally:
            timer.cancel()


def _read_fields(descriptor: int, count: int) -> list[str] | None:
    """The next ``count`` fields that end with NUL; None at the end."""
    data = b""
    while data.count(b"\0") < count:
        part = os.read(descriptor, 1)
        if not part:
            return None
        data += part
    return [field.decode("utf-8", "replace") for field in data.split(b"\0")[:count]]


def state_of(job: Path) -> State:
    """What lies below ``work/`` now."""
    found: State = {}
    for path in sorted((job / "work").rglob("*")):
        if path.is_file() and not path.is_symlink() and ".git/" not in str(path):
            status = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if status.st_size < 8 << 20 else ""
            found[str(path.relative_to(job))] = (status.st_size, f"{status.st_mode & 0o7777:04o}", digest)
        if len(found) > FILES_LIMIT:
            raise Failed("too_many_files", _("More than 5,000 files were made; record a smaller procedure."))
    return found


def _line(text: str, status: int, cwd: str, job: Path, before: State, after: State) -> Line:
    made = sorted(after.keys() - before.keys())
    changed = sorted(path for path in after.keys() & before.keys() if after[path] != before[path])
    touched = [*made, *changed]
    try:
        relative = str(Path(cwd).resolve().relative_to(job.resolve()))
    except ValueError:
        relative = cwd
    return Line(
        text=text,
        exit_code=status,
        cwd="" if relative == "." else relative,
        made=made,
        changed=changed,
        removed=sorted(before.keys() - after.keys()),
        sizes={path: after[path][0] for path in touched},
        modes={path: after[path][1] for path in touched},
    )


def _tail(path: Path) -> str:
    if not path.exists():
        return ""
    return path.read_bytes()[-OUTPUT_LIMIT_BYTES:].decode("utf-8", "replace")

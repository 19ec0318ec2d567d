"""A recorded script: what was typed, how it ended, and which files it changed. Nothing is read off a screen.

One bash runs every line, so that variables and folders stay; it tells its parent of each line over descriptors of its
own (8 to tell, 9 to hear), and waits until the parent has looked at the files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keiken.errors import Failed, Refused, UsageError
from keiken.i18n import _
from keiken.record.watch import State, same, state_of

LINE_SECONDS = 600
OUTPUT_READ_BYTES = 256 << 10
"""Of the end of an output so much is searched for secrets; a quarter of it at most is kept."""

_SCRIPTED = r"""
while IFS= read -r -d '' -u 9 __keiken_line; do
    eval "$__keiken_line" </dev/null >"$KEIKEN_OUT" 2>"$KEIKEN_ERR" 8>&- 9<&-
    printf '%s\0%s\0' "$?" "$PWD" >&8
done
"""


@dataclass
class Line:
    """One line as it was typed, and what came of it."""

    text: str
    exit_code: int
    cwd: str
    """The folder in which it began, relative to the job folder; empty for that itself, absolute outside it."""
    duration_seconds: float = 0
    stdout: str = ""
    stderr: str = ""
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    """Folders that it made."""
    digests_before: dict[str, str] = field(default_factory=dict)
    """Of changed files whose content changed: the SHA-256 that they had."""
    modes_before: dict[str, str] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    """What it made, changed or removed in the job folder, but not below ``work/``."""


OnLine = Callable[[Line], None]


def bash() -> str:
    """Where bash is. Raises Refused ``bash_missing``."""
    found = shutil.which("bash")
    if found is None:
        raise Refused(
            "bash_missing",
            _("There is no bash on this machine, and it is what records a session."),
            _("Install it (on Debian: apt-get install bash) and record again."),
        )
    return found


def logical_lines(script: str) -> list[str]:
    """The commands of a script: continued lines joined, here-documents and open quotes kept whole, comments dropped.

    Raises UsageError ``script_incomplete`` for a script that ends inside a command.
    """
    found: list[str] = []
    pending = ""
    for line in script.replace("\r\n", "\n").split("\n"):
        pending = f"{pending}\n{line}" if pending else line
        if not pending.strip() or pending.lstrip().startswith("#"):
            pending = ""
        elif _is_complete(pending):
            found.append(pending.strip())
            pending = ""
    if pending:
        raise UsageError(
            "script_incomplete",
            _("The script ends in the middle of: {line}").format(line=pending[:80]),
            _("Close the quote, the here-document or the loop that it opens."),
        )
    return found


def _is_complete(text: str) -> bool:
    if (len(text) - len(text.rstrip("\\"))) % 2:
        return False
    # The words of bash are matched, so they must be English.
    done = subprocess.run(
        [bash(), "-n"],
        input=text.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"},
    )
    return not re.search(rb"unexpected end of file|unexpected EOF|here-document", done.stderr)


def record_script(lines: Sequence[str], job: Path, on_line: OnLine, environ: Mapping[str, str]) -> list[Line]:
    """Run the lines one after the other in one bash, until they end or one of them leaves with ``exit``.

    Raises Failed ``line_timeout`` for a line that does not end, ``shell_ended`` when bash is gone before the last.
    """
    recorded = []
    with tempfile.TemporaryDirectory(prefix="keiken-record-") as temporary:
        out, err = Path(temporary, "out"), Path(temporary, "err")
        with _Shell(job, {**environ, "KEIKEN_OUT": str(out), "KEIKEN_ERR": str(err)}) as shell:
            before, cwd = state_of(job), str(job)
            for text in lines:
                started = time.monotonic()
                answer = shell.do(text)
                if answer is None:
                    if re.match(r"exit\b|exec\b", text) and shell.ended_well():
                        break
                    raise _ended(text, shell)
                after = state_of(job, before)
                line = line_of(text, int(answer[0]), cwd, job, before, after)
                line.duration_seconds = round(time.monotonic() - started, 3)
                line.stdout, line.stderr = _tail(out), _tail(err)
                before, cwd = after, answer[1]
                recorded.append(line)
                on_line(line)
    return recorded


def _ended(text: str, shell: _Shell) -> Failed:
    if shell.is_overdue:
        return Failed(
            "line_timeout",
            _("It took longer than {seconds} s: {line}").format(seconds=LINE_SECONDS, line=text[:80]),
            _("Record what ends by itself; what must keep running is a service of a scenario."),
        )
    return Failed(
        "shell_ended",
        _("The shell ended at: {line}").format(line=text[:80]),
        _("Leave out what ends it ('exit', 'exec', 'set -e' before a line that fails), or let that line succeed."),
    )


class _Shell:
    """A bash with two pipes of ours beside its own three, in a session of its own that ends with it."""

    def __init__(self, job: Path, environ: Mapping[str, str]) -> None:
        self._told, told_write = os.pipe()
        hear_read, self._hear = os.pipe()
        self.is_overdue = False

        def hand_over() -> None:
            # Copied out of the way first: one may have the number that the other is to get.
            told, hear = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 20) for one in (told_write, hear_read))
            os.dup2(told, 8)
            os.dup2(hear, 9)

        self._process = subprocess.Popen(
            [bash(), "--noprofile", "--norc", "-c", _SCRIPTED],
            cwd=job,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
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
        for _turn in range(50):
            if self.ended_well():
                break
            time.sleep(0.02)
        # What a line left in the background ends too. Not yet waited for, the number still belongs to the session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._told)

    def ended_well(self) -> bool:
        """Whether it has ended, and not by a signal. It is not waited for by this."""
        for _turn in range(50):
            found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if found is not None:
                return found.si_code == os.CLD_EXITED
            time.sleep(0.02)
        return False

    def do(self, text: str) -> list[str] | None:
        """Status and folder after a line; None when the shell is gone."""
        timer = threading.Timer(LINE_SECONDS, self._overdue)
        timer.start()
        try:
            data = text.encode() + b"\0"
            while data:
                data = data[os.write(self._hear, data) :]
            return read_fields(self._told, 2)
        except BrokenPipeError:
            return None
        finally:
            timer.cancel()

    def _overdue(self) -> None:
        self.is_overdue = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def read_fields(descriptor: int, count: int) -> list[str] | None:
    """The next ``count`` fields that end with NUL; None at the end."""
    data = b""
    while data.count(b"\0") < count:
        part = os.read(descriptor, 1)
        if not part:
            return None
        data += part
    return [field.decode("utf-8", "replace") for field in data.split(b"\0")[:count]]


def line_of(text: str, status: int, cwd: str, job: Path, before: State, after: State) -> Line:
    """What a line did, from the files before and after it. ``cwd`` is where it began."""
    made = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(path for path in after.keys() & before.keys() if not same(after[path], before[path]))
    files = [path for path in changed if after[path].kind == "file" == before[path].kind]
    inside = [path for path in made if path.startswith("work/")]
    kept = [path for path in files if path.startswith("work/")]
    try:
        relative = str(Path(cwd).resolve().relative_to(job.resolve()))
    except ValueError:
        relative = cwd
    return Line(
        text=text,
        exit_code=status,
        cwd="" if relative == "." else relative,
        made=[path for path in inside if after[path].kind != "folder"],
        changed=kept,
        removed=[path for path in removed if path.startswith("work/")],
        sizes={path: after[path].size for path in [*inside, *kept]},
        modes={path: after[path].mode for path in [*inside, *kept]},
        folders=[path for path in inside if after[path].kind == "folder"],
        digests_before={p: before[p].digest for p in kept if before[p].digest and before[p].digest != after[p].digest},
        modes_before={path: before[path].mode for path in kept if before[path].mode != after[path].mode},
        outside=[path for path in [*made, *files, *removed] if not path.startswith("work/") and path != "work"],
    )


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - OUTPUT_READ_BYTES))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""

"""A script, recorded line by line. Nothing is read off a screen.

One bash runs every line, so that variables and folders stay; it tells its parent of each line over descriptors of its
own (8 to tell, 9 to hear), and waits until the parent has looked at the files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from keiken.errors import Failed
from keiken.i18n import _
from keiken.record import processes
from keiken.record.session import OnLine, Recording, bash, line_of, read_fields
from keiken.record.watch import state_of

LINE_SECONDS = 600
OUTPUT_READ_BYTES = 256 << 10
"""Of the end of an output so much is searched for secrets; a quarter of it at most is kept."""
_GRACE_SECONDS = 2.0

# Where the outputs go is no argument and no variable that a line could inherit.
_SCRIPTED = r"""
__keiken_out=$1 __keiken_err=$2
shift 2
while IFS= read -r -d '' -u 9 __keiken_line; do
    eval "$__keiken_line" </dev/null >"$__keiken_out" 2>"$__keiken_err" 8>&- 9<&-
    printf '%s\0%s\0' "$?" "$PWD" >&8
done
"""


def record_script(
    lines: Sequence[str], job: Path, on_line: OnLine, environ: Mapping[str, str], shown: Callable[[str], str]
) -> Recording:
    """Run the lines one after the other in one bash, until they end or one of them leaves with ``exit``.

    ``shown`` makes a line fit to be told of. Raises Failed ``line_timeout`` for a line that does not end,
    ``shell_ended`` when bash is gone before the last, ``too_many_files`` for more than can be watched.
    """
    recording = Recording()
    with (
        tempfile.TemporaryDirectory(prefix="outputs-", dir=job.parent) as outputs,
        _Shell(job, environ, Path(outputs)) as shell,
    ):
        before, cwd = state_of(job), str(job)
        for text in lines:
            started = time.monotonic()
            answer = shell.do(text)
            if answer is None:
                if re.match(r"exit\b|exec\b", text) and shell.has_ended():
                    break
                raise _ended(shown(text), shell)
            after = state_of(job, before)
            line = line_of(text, int(answer[0]), cwd, job, before, after)
            line.duration_seconds = round(time.monotonic() - started, 3)
            line.stdout, line.stderr = shell.outputs()
            before, cwd = after, answer[1]
            recording.lines.append(line)
            on_line(line)
        recording.left_running = shell.left_running()
    return recording


def _ended(line: str, shell: _Shell) -> Failed:
    if shell.is_overdue:
        return Failed(
            "line_timeout",
            _("It took longer than {seconds} s: {line}").format(seconds=LINE_SECONDS, line=line),
            _("Record what ends by itself; what must keep running is a service of a scenario."),
        )
    return Failed(
        "shell_ended",
        _("The shell ended at: {line}").format(line=line),
        _("Leave out what ends it ('exit', 'exec', 'set -e' before a line that fails), or let that line succeed."),
    )


class _Shell:
    """A bash with two pipes of ours beside its own three, in a session of its own; all of it ends with it."""

    def __init__(self, job: Path, environ: Mapping[str, str], outputs: Path) -> None:
        self._job, self._out, self._err = job, outputs / "out", outputs / "err"
        self._told, told_write = os.pipe()
        hear_read, self._hear = os.pipe()
        self.is_overdue = False

        def hand_over() -> None:
            # Copied out of the way first: one may have the number that the other is to get.
            told, hear = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 20) for one in (told_write, hear_read))
            os.dup2(told, 8)
            os.dup2(hear, 9)

        try:
            self._process = subprocess.Popen(
                [bash(), "--noprofile", "--norc", "-c", _SCRIPTED, "bash", self._out, self._err],
                cwd=job,
                env={**environ, processes.MARK: str(job)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=False,
                preexec_fn=hand_over,
                start_new_session=True,
            )
        finally:
            os.close(told_write)
            os.close(hear_read)

    def __enter__(self) -> _Shell:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_details: object) -> None:
        os.close(self._hear)
        # It ends by itself now, unless a line still runs because we were interrupted.
        self.has_ended(_GRACE_SECONDS if kind is None else 0)
        processes.end(self._process.pid, self._job)
        self._process.wait()
        os.close(self._told)

    def has_ended(self, within_seconds: float = _GRACE_SECONDS) -> bool:
        """Whether it has ended by itself. It is not waited for by this, so that its number stays its own."""
        until = time.monotonic() + within_seconds
        while (found := os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is None:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return found.si_code == os.CLD_EXITED

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

    def outputs(self) -> tuple[str, str]:
        """The ends of what the last line wrote to its two outputs."""
        return _tail(self._out), _tail(self._err)

    def left_running(self) -> list[str]:
        return processes.left_running(self._process.pid, self._job)

    def _overdue(self) -> None:
        self.is_overdue = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - OUTPUT_READ_BYTES))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""

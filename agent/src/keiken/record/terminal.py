"""A recorded bash in this terminal: what is typed goes to it, what it prints comes back, and it tells of each line."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import sys
import tempfile
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

from keiken.errors import KeikenError, UsageError
from keiken.i18n import _
from keiken.record.session import Line, OnLine, bash, line_of, read_fields
from keiken.record.watch import state_of

_INTERACTIVE = r"""
[ -f ~/.bashrc ] && . ~/.bashrc
HISTCONTROL= HISTIGNORE= HISTFILE= HISTSIZE=10000
set -o history
shopt -s cmdhist lithist
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
_GRACE_SECONDS = 2.0


def require_terminal() -> None:
    """Raises UsageError where there is nobody to record."""
    try:
        if os.isatty(sys.stdin.fileno()) and os.isatty(sys.stdout.fileno()):
            return
    except (OSError, ValueError):
        pass
    raise UsageError(
        "terminal_missing",
        _("There is no terminal here whose session could be recorded."),
        _("Run it in a terminal, or name the lines to record with --script."),
    )


def record_terminal(job: Path, on_line: OnLine) -> list[Line]:
    """A bash in this terminal; every line is recorded until its person leaves it, or it is killed.

    Raises Failed when more files were made than can be watched; the shell is hung up then.
    """
    program = bash()
    told_read, told_write = os.pipe()
    hear_read, hear_write = os.pipe()
    with tempfile.NamedTemporaryFile("w", suffix=".bashrc") as rc:
        rc.write(_INTERACTIVE)
        rc.flush()
        pid, terminal = pty.fork()
        if pid == 0:
            _become_bash(program, rc.name, job, told_write, hear_read)
        os.close(told_write)
        os.close(hear_read)
        listener = _Listener(job, on_line, told_read, hear_write, pid)
        try:
            listener.start()
            _copy_terminal(terminal)
        finally:
            os.close(terminal)  # hangs up a shell that still lives
            _wait(pid)
            listener.finish()
    if listener.error is not None:
        raise listener.error
    return listener.recorded


def _become_bash(program: str, rc: str, job: Path, told: int, hear: int) -> None:
    """In the child, which must never return into our program."""
    try:
        os.chdir(job)
        told, hear = (fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20) for descriptor in (told, hear))
        os.dup2(told, 8)
        os.dup2(hear, 9)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execv(program, ["bash", "--noprofile", "--rcfile", rc, "-i"])
    finally:
        os._exit(127)


def _wait(pid: int) -> None:
    """Until the shell has ended; one that ignores being hung up is killed."""
    timer = threading.Timer(_GRACE_SECONDS, os.kill, (pid, signal.SIGKILL))
    timer.start()
    try:
        os.waitpid(pid, 0)
    finally:
        timer.cancel()


class _Listener:
    """Hears of each line in a thread of its own, and lets the shell go on once the files were looked at."""

    def __init__(self, job: Path, on_line: OnLine, told: int, answer: int, pid: int) -> None:
        self.recorded: list[Line] = []
        self.error: KeikenError | None = None
        self._job, self._on_line, self._told, self._answer, self._pid = job, on_line, told, answer, pid
        self._before = state_of(job)
        self._cwd, self._number = str(job), ""
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """The shell has ended; a program it left behind may still hold its end of the pipe."""
        self._thread.join(_GRACE_SECONDS)
        os.close(self._answer)

    def _listen(self) -> None:
        while (answer := read_fields(self._told, 3)) is not None:
            try:
                self._hear(*answer)
            except KeikenError as error:
                self.error = error
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGHUP)
                return
            with contextlib.suppress(BrokenPipeError):
                os.write(self._answer, b"\n")

    def _hear(self, status: str, cwd: str, numbered: str) -> None:
        number, _space, text = numbered.strip().partition(" ")
        after = state_of(self._job, self._before)
        # The same number again: an empty line, or one given up with Ctrl-C.
        if number and number != self._number and text.strip():
            line = line_of(text.strip(), int(status), self._cwd, self._job, self._before, after)
            self.recorded.append(line)
            self._on_line(line)
        self._number, self._before, self._cwd = number, after, cwd


def _copy_terminal(terminal: int) -> None:
    """Between the person and the shell until the shell ends; the same as pty.spawn does after its fork."""
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    typed, is_open = b"", True
    with _raw(stdin), _window_of(stdin, terminal):
        while True:
            reading = [terminal, *([stdin] if is_open and len(typed) < 65536 else [])]
            ready, writable, _x = select.select(reading, [terminal] if typed else [], [])
            if terminal in ready:
                data = _read(terminal)
                if not data:
                    return
                while data:
                    data = data[os.write(stdout, data) :]
            if stdin in ready:
                data = _read(stdin)
                is_open = bool(data)
                typed += data or b"\x04"
            if terminal in writable:
                # A little at a time: a shell that is busy printing must not be waited for.
                typed = typed[os.write(terminal, typed[:256]) :]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # a terminal says so when its other side is gone
        return b""


@contextlib.contextmanager
def _raw(stdin: int) -> Iterator[None]:
    saved = termios.tcgetattr(stdin)
    tty.setraw(stdin)
    try:
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, saved)


@contextlib.contextmanager
def _window_of(stdin: int, terminal: int) -> Iterator[None]:
    """The shell's window has the size of ours, from the start and whenever that changes."""

    def follow(*_signal: object) -> None:
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(stdin, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)

    follow()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGWINCH, follow)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)

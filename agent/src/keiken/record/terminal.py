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
from typing import Any, NoReturn

from keiken.errors import Failed, KeikenError, UsageError
from keiken.i18n import _
from keiken.record import processes
from keiken.record.session import Recording, bash, line_of, read_fields
from keiken.record.watch import state_of

# No settings of its person: a replay has none of their aliases and functions. What they exported is inherited.
# An answer bears the number of what was told: one that Ctrl-C kept from being read must not count for the next.
_INTERACTIVE = r"""
HISTCONTROL= HISTIGNORE= HISTFILE= HISTSIZE=10000
shopt -s cmdhist lithist checkwinsize
__keiken_told=0
__keiken_tell() {
    local status=$? line answer
    line=$(HISTTIMEFORMAT= history 1)
    __keiken_told=$((__keiken_told + 1))
    printf '%s\0%s\0%s\0%s\0' "$__keiken_told" "$status" "$PWD" "$line" >&8
    while IFS= read -r -u 9 answer && [ "$answer" != "$__keiken_told" ]; do :; done
    return "$status"
}
PROMPT_COMMAND=__keiken_tell
PS1='(keiken) \W\$ '
"""
_GRACE_SECONDS = 2.0
_TYPED_AHEAD_BYTES = 65536


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


@contextlib.contextmanager
def surviving_hangup(is_interactive: bool) -> Iterator[None]:
    """A terminal window that is closed ends the session like its person's leaving; what was recorded is kept."""
    if not is_interactive or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def record_terminal(job: Path) -> Recording:
    """A bash in this terminal; every line is recorded until its person leaves it, or it is killed.

    Where more files are made than can be watched, the session ends and that is its ``trouble``. Raises Failed
    ``shell_not_started``.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".bashrc") as rc, contextlib.ExitStack() as opened:
        rc.write(_INTERACTIVE)
        rc.flush()
        shell = _Shell(rc.name, job, opened)
        try:
            with _raw(sys.stdin.fileno()), _window_of(sys.stdin.fileno(), shell.terminal):
                shell.copy()
        finally:
            shell.end()
    if not shell.has_started:
        raise Failed(
            "shell_not_started",
            _("The shell that is to be recorded did not start."),
            _("See whether '{program}' works in this terminal.").format(program=bash()),
        )
    return shell.recording


class _Shell:
    """The bash, its terminal and the two pipes over which it tells of lines and waits for us to look at the files."""

    def __init__(self, rc: str, job: Path, opened: contextlib.ExitStack) -> None:
        """All descriptors are closed with ``opened``."""
        program, settings = bash(), termios.tcgetattr(sys.stdin.fileno())
        self._told, told_write = _pipe(opened)
        hear_read, self._answer = _pipe(opened)
        self._job, self._before = job, state_of(job)
        self._cwd, self._number = str(job), ""
        self.has_started = False
        self.recording = Recording()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            _become_bash([program, "--noprofile", "--rcfile", rc, "-i"], job, (told_write, hear_read), settings)
        # A shell that is busy printing must not be waited for until it reads.
        os.set_blocking(self.terminal, False)
        self._is_open = True
        self._ended = os.pidfd_open(self.pid)
        opened.callback(os.close, self._ended)
        opened.callback(self._hang_up)

    def copy(self) -> None:
        """Between the person and the shell, hearing of each line, until one of them has gone."""
        stdin, typed = sys.stdin.fileno(), b""
        while True:
            reading = [self.terminal, self._told, self._ended, *([stdin] if len(typed) < _TYPED_AHEAD_BYTES else [])]
            ready, writable, _x = select.select(reading, [self.terminal] if typed else [], [])
            if self.terminal in ready and not self._print():
                return
            if self._told in ready and not self._hear():
                return
            if stdin in ready:
                data = _read(stdin)
                if not data:  # Ctrl-D is a byte like any other here: the terminal itself is gone
                    return
                typed += data
            if self.terminal in writable:
                typed = typed[_write_some(self.terminal, typed) :]
            if self._ended in ready:
                # It may have told of a line and printed something just before.
                while self._is_ready(self._told) and self._hear():
                    pass
                while self._is_ready(self.terminal) and self._print():
                    pass
                return

    @staticmethod
    def _is_ready(descriptor: int) -> bool:
        return bool(select.select([descriptor], [], [], 0)[0])

    def _print(self) -> bool:
        """False when either side is gone."""
        data = _read(self.terminal)
        try:
            left = data
            while left:
                left = left[os.write(sys.stdout.fileno(), left) :]
        except OSError:
            return False
        return bool(data)

    def _hear(self) -> bool:
        """False when the recording must end here."""
        told = read_fields(self._told, 4)
        if told is None:
            return False
        turn, status, cwd, numbered = told
        try:
            self._keep(status, cwd, numbered)
        except KeikenError as trouble:
            self.recording.trouble = trouble
            return False
        with contextlib.suppress(BrokenPipeError):
            os.write(self._answer, f"{turn}\n".encode())
        return True

    def _keep(self, status: str, cwd: str, numbered: str) -> None:
        number, _space, text = numbered.strip().partition(" ")
        after = state_of(self._job, self._before)
        # The same number again: an empty line, or one given up with Ctrl-C. Before the first prompt nobody typed.
        if self.has_started and number and number != self._number and text.strip():
            line = line_of(text.strip(), int(status), self._cwd, self._job, self._before, after)
            self.recording.lines.append(line)
        self.has_started, self._number, self._before, self._cwd = True, number, after, cwd

    def end(self) -> None:
        """Hang up, give the shell a moment to leave, end whatever remains."""
        if self._is_ready(self._ended):
            self.recording.left_running = processes.left_running(self.pid, self._job)
        self._hang_up()
        select.select([self._ended], [], [], _GRACE_SECONDS)
        processes.end(self.pid, self._job)
        os.waitpid(self.pid, 0)

    def _hang_up(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self.terminal)


def _pipe(opened: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for one in ends:
        opened.callback(os.close, one)
    return ends


def _become_bash(argv: list[str], job: Path, pipes: tuple[int, int], settings: list[Any]) -> NoReturn:
    """In the child, which must never return into our program."""
    try:
        # Before its first prompt, so that its keys and its width are those of the person's own terminal.
        termios.tcsetattr(0, termios.TCSANOW, settings)
        os.chdir(job)
        told, answer = (fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20) for descriptor in pipes)
        os.dup2(told, 8)
        os.dup2(answer, 9)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.execve(argv[0], argv, {**os.environ, processes.MARK: str(job)})
    except (OSError, termios.error) as error:
        os.write(2, f"{argv[0]}: {error}\r\n".encode())
    finally:
        os._exit(127)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # a terminal says so when its other side is gone
        return b""


def _write_some(descriptor: int, data: bytes) -> int:
    """How much of it could be written now."""
    try:
        return os.write(descriptor, data[:256])
    except BlockingIOError:
        return 0
    except OSError:  # the other side is gone, as reading will tell
        return len(data)


@contextlib.contextmanager
def _raw(stdin: int) -> Iterator[None]:
    saved = termios.tcgetattr(stdin)
    tty.setraw(stdin)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it is gone
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

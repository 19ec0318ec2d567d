"""How every command runs: one ``--json`` document, fixed exit codes, no traceback for what a sentence can say."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NoReturn

import click

from keiken.cli.terminal import OUTPUT_FAILED, Terminal
from keiken.errors import KeikenError, UsageError
from keiken.i18n import _
from keiken.paths import config_dir

INTERRUPTED = 130
LOG_BYTES_LIMIT = 1 << 20
logger = logging.getLogger("keiken.cli")

pass_terminal = click.make_pass_decorator(Terminal)


def _json_option() -> click.Option:
    # The value is read by Commands.main, which must know it even where the arguments cannot be parsed.
    return click.Option(["--json"], is_flag=True, expose_value=False, help=_("Print exactly one JSON document."))


class Command(click.Command):
    """A command with ``--json``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())


class Group(click.Group):
    """Commands of one kind, such as ``environments``."""

    command_class = Command


class Commands(click.Group):
    """All commands. Each lives in a module of its own, which is only loaded when it is needed."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._modules = modules
        self.params.append(_json_option())

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(self._modules)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in self._modules:
            return None
        found: click.Command = importlib.import_module(f"keiken.cli.{self._modules[name]}").command
        return found

    def main(self, args: Sequence[str] | None = None, *_args: Any, **_options: Any) -> NoReturn:
        """Run and exit: 0 done, 1 usage or internal error, 3 refused, 4 diverged, 5 failed, 130 interrupted."""
        with _ended_like_interrupted():
            code = self._run(list(sys.argv[1:] if args is None else args))
        sys.exit(code)

    def _run(self, arguments: list[str]) -> int:
        options = arguments[: arguments.index("--")] if "--" in arguments else arguments
        terminal = Terminal(wants_json="--json" in options)
        log = _start_log()
        try:
            with self.make_context("keiken", arguments, obj=terminal) as context:
                code = self.invoke(context)
            return code if isinstance(code, int) else 0
        except click.exceptions.Exit as ending:
            return ending.exit_code
        except (KeyboardInterrupt, click.Abort):
            terminal.fail(KeikenError("interrupted", _("Interrupted."), _("Nothing goes on in the background.")))
            return INTERRUPTED
        except click.ClickException as error:
            return _fail(terminal, _usage(error))
        except KeikenError as error:
            return _fail(terminal, error)
        except Exception as error:
            if os.environ.get("KEIKEN_DEBUG") == "1":
                raise
            logger.exception("keiken %s", " ".join(arguments[:1]))
            return _fail(terminal, _unexpected(error, log))


@contextlib.contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Who ends us politely gets the same as Ctrl-C: nothing goes on, and a replay leaves its report."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(terminal: Terminal, error: KeikenError) -> int:
    if error.code == OUTPUT_FAILED:
        terminal.complain(error)  # stdout takes nothing
    else:
        try:
            terminal.fail(error)
        except KeikenError as failed:
            terminal.complain(failed)
    return error.exit_code


def _usage(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "keiken"
    message = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = _("A command is missing.")
    advice = _("'{command} --help' shows how it is used.").format(command=path)
    return UsageError("usage", message, advice)


def _unexpected(error: Exception, log: Path) -> KeikenError:
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return KeikenError(
            "system_trouble",
            _("The system says: {why}{place}.").format(why=error.strerror, place=place),
            _("The log {log} says more.").format(log=log),
        )
    return KeikenError(
        "internal_error",
        _("Sorry, something went wrong in keiken itself."),
        _("What happened is in {log}; please send it to whoever maintains keiken.").format(log=log),
    )


class _PrivateLog(RotatingFileHandler):
    """Made at the first line, readable by its owner only; where it cannot be made, nothing is logged."""

    def _open(self) -> TextIOWrapper[Any]:
        path = Path(self.baseFilename)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is the standard library's
        """A log that cannot be written must not hide what it was to tell of."""


def _start_log() -> Path:
    path = config_dir() / "log" / "keiken.log"
    root = logging.getLogger("keiken")
    for old in [handler for handler in root.handlers if isinstance(handler, _PrivateLog)]:
        root.removeHandler(old)
        old.close()
    handler = _PrivateLog(path, maxBytes=LOG_BYTES_LIMIT, backupCount=1, delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.propagate = False
    return path

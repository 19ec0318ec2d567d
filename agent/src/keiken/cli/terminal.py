"""What is said, and to whom: answers on stdout, progress and trouble on stderr; with ``--json`` one document."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from rich.console import Console, RenderableType
from rich.status import Status
from rich.table import Table
from rich.text import Text

from keiken.errors import KeikenError
from keiken.i18n import _

PIPED_COLUMNS = 120
OTHERS_SHOWN = 20
OUTPUT_FAILED = "output_failed"


class Terminal:
    """One run's voice. Everything from outside goes through ``plain``, so that no text steers a terminal."""

    def __init__(self, *, wants_json: bool) -> None:
        self.wants_json = wants_json
        self._err = _console(sys.stderr)
        self._working: Working | None = None

    @property
    def is_interactive(self) -> bool:
        """Whether there is a person to ask."""
        return not self.wants_json and sys.stdin.isatty() and sys.stderr.isatty()

    def answer(self, document: Any, *shown: RenderableType) -> None:
        """The command's one answer: the document with ``--json``, else what is shown."""
        if self.wants_json:
            text = _escaped(json.dumps(document, ensure_ascii=False, indent=1, default=str)) + "\n"
        else:
            text = _rendered(_console(sys.stdout), shown)
        _write(text)

    def line(self, document: Any, *shown: RenderableType) -> None:
        """One of several answers as they come: with ``--json`` one document on a line of its own."""
        if self.wants_json:
            text = _escaped(json.dumps(document, ensure_ascii=False, default=str)) + "\n"
        else:
            text = _rendered(_console(sys.stdout), shown)
        _write(text)

    def note(self, text: str) -> None:
        """A line for a person, beside the answer."""
        if not self.wants_json:
            self._print(Text(plain(text)))

    def show(self, *shown: RenderableType) -> None:
        """More than a line for a person, beside the answer."""
        if not self.wants_json:
            self._print(*shown)

    def fail(self, error: KeikenError) -> None:
        if self.wants_json:
            self.answer({"error": error.as_dict()})
        else:
            self.complain(error)

    def complain(self, error: KeikenError) -> None:
        """To stderr, in whatever form the answer was wanted."""
        first = Text.assemble((_("keiken: "), "bold red"), plain(error.message), (f"  [{plain(error.code)}]", "dim"))
        others = [Text.assemble(("  + ", "dim"), plain(text)) for text in _others(error)]
        self._print(first, *others, *([Text(plain(error.advice))] if error.advice else []))

    def _print(self, *shown: RenderableType) -> None:
        with contextlib.suppress(OSError):  # nobody reads our complaints: the exit code still tells
            sys.stderr.write(_rendered(self._err, shown))
            sys.stderr.flush()

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[Working]:
        """Shows that something takes time: a spinner on a terminal, a line elsewhere, nothing with ``--json``."""
        working = Working(self, text, self._err if self._err.is_terminal and not self.wants_json else None)
        try:
            with working:
                yield working
        finally:
            self._working = None

    def confirm(self, question: str) -> bool | None:
        """Yes or no; None when there is nobody to ask."""
        if not self.is_interactive:
            return None
        self._print(Text.assemble(plain(question), (_(" [y/N] "), "bold")))
        return sys.stdin.readline().strip().lower() in ("y", "yes", "はい")

    def secret(self, question: str) -> str | None:
        """Typed without being shown; None when there is nobody to ask."""
        return getpass.getpass(f"{plain(question)}: ", stream=sys.stderr) if self.is_interactive else None


def _others(error: KeikenError) -> list[str]:
    """What else is wrong with a package, beside the first thing: one round of mending is better than many."""
    found = [*error.details.get("problems", ()), *error.details.get("findings", ())]
    messages = [item["message"] for item in found if isinstance(item, dict) and item.get("level", "error") == "error"]
    return list(dict.fromkeys(str(text) for text in messages if text not in error.message))[:OTHERS_SHOWN]


class Working:
    """Something that takes time. ``update`` says what it is at; ``line`` leaves a line behind."""

    def __init__(self, terminal: Terminal, text: str, console: Console | None) -> None:
        self._terminal = terminal
        self._status = Status(Text(plain(text)), console=console) if console is not None else None
        if self._status is None:
            terminal.note(f"{text} …")

    def __enter__(self) -> Working:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def update(self, text: str) -> None:
        if self._status is not None:
            self._status.update(Text(plain(text)))
        else:
            self._terminal.note(text)

    def line(self, text: Text) -> None:
        if self._status is not None:
            self._status.console.print(text)
        else:
            self._terminal.show(text)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """While a person is asked something."""
        if self._status is not None:
            self._status.stop()
        try:
            yield
        finally:
            if self._status is not None:
                self._status.start()


def plain(text: Any) -> str:
    """Text that cannot steer a terminal: control and direction characters become visible."""
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in str(text))


def _escaped(document: str) -> str:
    """The same JSON, in which what steers a terminal (8-bit controls, directions) stands as ``\\u`` escapes.

    Programs read the same values; a person may have no program between it and the terminal.
    """
    if document.isascii():
        return document
    return "".join(c if _is_harmless(c) or "\ud800" <= c <= "\udfff" else json.dumps(c)[1:-1] for c in document)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> Table:
    """A table of plain texts; a cell that is a ``Text`` keeps its style."""
    made = Table(title=plain(title) or None, title_justify="left", header_style="bold", show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(plain(column), overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    return made


def heading(text: str) -> Text:
    return Text(plain(text), style="bold")


STYLES = {
    "passed": "green", "succeeded": "green", "verified": "green", "holds": "green", "contained": "green",
    "failed": "red", "fails": "red", "refused": "red", "failing": "red", "policy_violation": "red", "error": "red",
    "diverged": "red", "vacuous": "red", "limit_exceeded": "red",
}  # fmt: skip


def word(text: Any) -> Text:
    """A word of state in its color."""
    return Text(plain(text), style=STYLES.get(str(text), "yellow"))


def _console(file: IO[str]) -> Console:
    width = None if file.isatty() else PIPED_COLUMNS
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def _rendered(console: Console, shown: Sequence[RenderableType]) -> str:
    with console.capture() as captured:
        for item in shown:
            console.print(Text(plain(item)) if isinstance(item, str) else item)
    return captured.get()


def _write(text: str) -> None:
    """Write to stdout. A reader that has gone away is not our trouble; a full disk is."""
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer must not be complained about again when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise KeikenError(
                OUTPUT_FAILED,
                _("The answer cannot be written: {why}.").format(why=error.strerror),
                _("Make room, or send the output elsewhere."),
            ) from error

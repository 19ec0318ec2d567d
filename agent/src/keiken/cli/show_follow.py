"""``keiken show --follow``: what the verifications of a version are at, until each has its verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rich.text import Text

from keiken.cli.terminal import Terminal, plain, word
from keiken.client import Reference
from keiken.client.proof_shapes import ProgressAnswer, ProgressEntry, Watched
from keiken.i18n import _

POLL_SECONDS = 1.0
SPEAKS_AGAINST = 5
"""The exit code when some verdict speaks against the version, as ``keiken check`` has it."""
NOT_AGAINST = {"passed", "precondition_unmet", "inconclusive"}


def follow_verifications(
    terminal: Terminal, reference: Reference, progress: Callable[[Reference], ProgressAnswer]
) -> int:
    """Print each entry once. JSON lines: the entries with ``reference`` and ``environment``, then each ``done``."""
    told = _Told(terminal, reference)
    while True:
        answer = progress(reference)
        for item in answer.verifications:
            told.tell(item)
        if all(item.state == "done" for item in answer.verifications):
            against = any(item.verdict not in NOT_AGAINST for item in answer.verifications)
            return SPEAKS_AGAINST if against else 0
        time.sleep(POLL_SECONDS)


class _Told:
    """What was printed already."""

    def __init__(self, terminal: Terminal, reference: Reference) -> None:
        self._terminal, self._reference = terminal, reference
        self._last: dict[tuple[str, int], int] = {}
        self._done: set[str] = set()
        self._notes: dict[str, str] = {}

    def tell(self, item: Watched) -> None:
        attempt = (item.verification, item.attempt)
        for entry in item.entries:
            if entry.number > self._last.get(attempt, 0):
                self._last[attempt] = entry.number
                self._line(item, entry.kind, entry.as_json(), *_entry(entry))
        if item.state == "done":
            if item.verification not in self._done:
                self._done.add(item.verification)
                self._line(item, "done", {**item.as_json(), "entries": []}, *_verdict(item))
        elif item.note and self._notes.get(item.verification) != item.note:
            self._notes[item.verification] = item.note
            self._line(item, "note", {"note": item.note}, Text(plain(item.note), style="yellow"))
        elif not item.entries and item.verification not in self._notes:
            self._notes[item.verification] = ""
            self._line(item, "waits", {"state": item.state}, Text(_("waits for a sandbox")))

    def _line(self, item: Watched, kind: str, document: dict[str, object], *shown: Text) -> None:
        common = {"reference": str(self._reference), "environment": item.environment}
        lead = Text(f"{plain(item.environment)}  ", style="dim")
        self._terminal.line({**common, **document, "kind": kind}, *(Text.assemble(lead, text) for text in shown))


def _entry(entry: ProgressEntry) -> Iterator[Text]:
    at = f"{entry.at:%H:%M:%S} "
    if entry.kind == "attempt":
        yield Text(at + _("attempt {n}").format(n=entry.attempt))
    elif entry.kind == "scenario":
        again = f" {_('once more, to see whether it does the same')}" if entry.run > 1 else ""
        yield Text.assemble(at, (plain(entry.scenario), "bold"), again)
    elif entry.kind == "step" and entry.status == "running":
        yield Text(f"{at}  {plain(entry.step)} …")
    elif entry.kind == "step":
        yield Text.assemble(at, f"  {plain(entry.step)} ", word(entry.status), f"  {entry.seconds:.2f} s")
        yield from (Text(f"           {plain(line)}") for line in filter(None, [entry.reason]))
        yield from (Text(f"           {plain(line)}", style="dim") for line in entry.output.splitlines())
    elif entry.kind == "verdict":
        yield Text.assemble(at, (plain(entry.scenario), "bold"), " ", word(entry.verdict), f" {plain(entry.reason)}")
    elif entry.kind == "mutants":
        yield Text(at + _("wrong effects tried on the checks: {n} of {all}").format(n=entry.tried, all=entry.chosen))


def _verdict(item: Watched) -> Iterator[Text]:
    yield Text.assemble(_("verdict"), " ", word(item.verdict))
    for result in item.scenarios:
        name, reason = plain(result.scenario), plain(result.reason)
        yield Text.assemble("  ", (name, "bold"), " ", word(result.verdict), f" {reason}")

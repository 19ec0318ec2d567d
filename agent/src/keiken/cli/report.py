"""``keiken report``: tell the publisher and the marketplace how a replay went."""

from __future__ import annotations

from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.client import Reference, saved_login, tell_receipts
from keiken.client.saved_reports import load, remember_sent
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.replay.report import Report, Savings


@click.command("report", cls=Command, help=_("Send the report of a replay: the last one, or the one that is named."))
@click.argument("replay", metavar="[REPLAY_ID|FILE]", required=False, default="")
@click.option("--saved-steps", type=click.IntRange(0, 1_000_000), help=_("Steps it saved instead of finding the way."))
@click.option("--saved-tokens", type=click.IntRange(0, 10_000_000_000), help=_("Model tokens it saved so."))
@pass_terminal
def command(terminal: Terminal, replay: str, saved_steps: int | None, saved_tokens: int | None) -> None:
    report = load(replay)
    if saved_steps is not None or saved_tokens is not None:
        report = report.model_copy(update={"savings": Savings(steps=saved_steps, model_tokens=saved_tokens)})
    document = submit(terminal, report)
    said = _("Reported: {outcome}.") if document["created"] else _("It was reported before ({outcome}).")
    terminal.answer(document, said.format(outcome=report.outcome))


def submit(terminal: Terminal, report: Report) -> dict[str, Any]:
    """Send it and remember that. Raises UsageError for a replay of a folder, and the marketplace's refusals."""
    if "/" not in report.experience:
        raise UsageError(
            "report_of_folder",
            _("The replay {id} was of a folder, not of something from a marketplace.").format(id=report.replay_id),
            _("Only replays of ORG/NAME are reported."),
        )
    login = saved_login()
    reference = Reference.parse(report.experience)
    with terminal.working(_("reporting")), login.client() as client:
        stored, created = client.report(reference, report)
        remember_sent(report, client.server, stored.id)
        tell_receipts(client)
    return {**stored.as_json(), "replay_id": report.replay_id, "outcome": report.outcome, "created": created}

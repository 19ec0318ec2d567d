"""``keiken frontier``: where the conditions of a published version really end, and mending them."""

from __future__ import annotations

from typing import Any

import click

from keiken.cli.check_frontier import frontier_lines
from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal, heading, plain
from keiken.client import Reference, saved_login
from keiken.errors import UsageError
from keiken.frontier.wording import proposal_sentence
from keiken.i18n import _


@click.command("frontier", cls=Command, help=_("Show where the conditions of a version end; accept what is proposed."))
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option("--request", "wants_request", is_flag=True, help=_("Have the conditions tried (publishers)."))
@click.option(
    "--accept", "key", metavar="FACT", help=_("Publish the proposed condition on this fact as a new version.")
)
@pass_terminal
def command(terminal: Terminal, reference: str, wants_request: bool, key: str | None) -> None:
    login, wanted = saved_login(), Reference.parse(reference)
    if wants_request and key:
        raise UsageError(
            "frontier_one_thing",
            _("'--request' and '--accept' are two different things."),
            _("Use one of them."),
        )
    with login.client() as client:
        if key:
            made = client.accept_proposal(wanted, key)
            text = _("Published as version {version}; it will be proven like any other.")
            terminal.answer({"reference": str(wanted), **made.as_json()}, text.format(version=made.version))
            return
        answer = client.request_frontier(wanted) if wants_request else client.frontier(wanted)
    shown: list[Any] = [heading(f"{wanted}  {answer.digest}")]
    for one in answer.explorations:
        if one.state == "done":
            shown += frontier_lines(one.environment, one.frontier)
        else:
            shown.append(_("{environment}: not tried yet; it waits for a worker.").format(environment=one.environment))
    if not answer.explorations:
        shown.append(_("The conditions have not been tried. Its publisher can ask for it with '--request'."))
    for proposal in answer.proposals:
        shown += [plain(proposal_sentence(proposal)), *(f"  {plain(line)}" for line in proposal.evidence)]
        shown.append(_("  Accept it with '--accept {key}'.").format(key=plain(proposal.key)))
    terminal.answer({"reference": str(wanted), **answer.as_json()}, *shown)

"""``keiken rate``: stars for what was really used."""

from __future__ import annotations

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.client import Reference, saved_login
from keiken.client.saved_reports import last_sent
from keiken.i18n import _


@click.command("rate", cls=Command, help=_("Rate an experience whose replay was reported from here."))
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option("--stars", type=click.IntRange(1, 5), required=True, help=_("From 1 to 5."))
@click.option("--text", default="", help=_("In words, for other buyers and the publisher."))
@pass_terminal
def command(terminal: Terminal, reference: str, stars: int, text: str) -> None:
    login, wanted = saved_login(), Reference.parse(reference)
    sent = last_sent(login.server, wanted.experience, wanted.version)
    with login.client() as client:
        rating = client.rate(wanted, stars=stars, text=text, replay_id=sent.replay_id)
    document = {**rating.as_json(), "replay_id": sent.replay_id}
    terminal.answer(document, _("Rated {name}: {stars} of 5.").format(name=wanted.experience, stars=rating.stars))

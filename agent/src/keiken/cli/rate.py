"""``keiken rate``: stars and answers for what was really used."""

from __future__ import annotations

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.client import Reference, saved_login
from keiken.client.saved_reports import last_sent
from keiken.i18n import _

ANSWERS = click.Choice(["yes", "partly", "no"])
EFFORTS = click.Choice(["none", "minutes", "hours", "days"])


@click.command("rate", cls=Command, help=_("Rate an experience whose replay was reported from here."))
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option("--stars", type=click.IntRange(1, 5), required=True, help=_("From 1 to 5."))
@click.option("--held", type=ANSWERS, default=None, help=_("Did it do what it promises here?"))
@click.option("--described", type=ANSWERS, default=None, help=_("Was its description right?"))
@click.option("--effort-saved", type=EFFORTS, default=None, help=_("How much effort did it save?"))
@click.option("--text", default="", help=_("In words, for other buyers and the publisher."))
@pass_terminal
def command(
    terminal: Terminal,
    reference: str,
    stars: int,
    held: str | None,
    described: str | None,
    effort_saved: str | None,
    text: str,
) -> None:
    login, wanted = saved_login(), Reference.parse(reference)
    sent = last_sent(login.server, wanted.experience, wanted.version)
    questions = {"held": held, "described": described, "effort_saved": effort_saved}
    answers = {name: answer for name, answer in questions.items() if answer}
    with login.client() as client:
        rating = client.rate(wanted, stars=stars, text=text, replay_id=sent.replay_id, answers=answers)
    document = {**rating.as_json(), "replay_id": sent.replay_id}
    terminal.answer(document, _("Rated {name}: {stars} of 5.").format(name=wanted.experience, stars=rating.stars))

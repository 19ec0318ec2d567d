"""``keiken ratings``: what others say of an experience; answering a rating, and saying that one was helpful."""

from __future__ import annotations

from collections.abc import Iterable

import click
from rich.text import Text

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal, heading, plain
from keiken.client import Client, Reference, saved_login
from keiken.client.shapes import StoredRating
from keiken.errors import UsageError
from keiken.i18n import _


@click.command("ratings", cls=Command, help=_("What others say of an experience; answer, or say that it was helpful."))
@click.argument("reference", metavar="ORG/NAME")
@click.option("--helpful", type=int, metavar="RATING", help=_("Say that this rating was helpful."))
@click.option("--not-helpful", type=int, metavar="RATING", help=_("Take that back."))
@click.option("--reply", type=int, metavar="RATING", help=_("Answer this rating (publishers); with --text."))
@click.option("--text", default=None, help=_("The answer; an empty one takes it back."))
@click.option("--cursor", default="", help=_("Where an earlier list ended."))
@pass_terminal
def command(
    terminal: Terminal,
    reference: str,
    helpful: int | None,
    not_helpful: int | None,
    reply: int | None,
    text: str | None,
    cursor: str,
) -> None:
    login, wanted = saved_login(), Reference.parse(reference)
    chosen = [number for number in (helpful, not_helpful, reply) if number is not None]
    if len(chosen) > 1 or (reply is None) != (text is None):
        raise UsageError(
            "ratings_one_thing",
            _("One thing at a time, and an answer needs its text."),
            _("Use '--helpful N', '--not-helpful N', or '--reply N --text TEXT'."),
        )
    with login.client() as client:
        if chosen:
            _act(terminal, client, chosen[0], text, is_helpful=helpful is not None)
            return
        found = client.ratings(wanted, cursor=cursor)
    shown = [line for row in found.results for line in _lines(row)]
    terminal.answer({"reference": str(wanted), **found.as_json()}, *(shown or [_("Nobody has rated it yet.")]))


def _act(terminal: Terminal, client: Client, number: int, text: str | None, *, is_helpful: bool) -> None:
    if text is not None:
        terminal.answer(client.reply(number, text).as_json(), _("Your answer is kept."))
        return
    count = client.vote_helpful(number, is_helpful=is_helpful)
    said = _("{n} organizations find it helpful.").format(n=count)
    terminal.answer({"id": number, "helpful": count}, said)


def _lines(row: StoredRating) -> Iterable[str | Text]:
    where = " ".join(filter(None, (row.used_in.os_id, row.used_in.os_version))) or row.used_in.environment
    yield heading(" · ".join(filter(None, (f"{row.stars}/5", row.organization, f"{row.major}.x", where, f"#{row.id}"))))
    answers = {_("held"): row.held, _("described right"): row.described, _("effort saved"): row.effort_saved}
    told = [f"{name}: {value}" for name, value in answers.items() if value]
    if told:
        yield plain("  " + ", ".join(told))
    if row.text:
        yield plain(f"  {row.text}")
    if row.reply is not None:
        yield plain("  " + _("The publisher: {text}").format(text=row.reply.text))

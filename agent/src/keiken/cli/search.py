"""``keiken search``: what there is, and what holds here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.machine import machine_facts
from keiken.cli.terminal import Terminal, table, word
from keiken.client import saved_login
from keiken.client.shapes import Listing, Page
from keiken.i18n import _


@click.command(
    "search", cls=Command, help=_("Search the marketplace. With --fits this machine's facts are sent along.")
)
@click.argument("words", metavar="[WORDS]...", nargs=-1)
@click.option("--fits", is_flag=True, help=_("Only what is known to hold with this machine's facts."))
@click.option("--explain", is_flag=True, help=_("Send the facts and show every condition, also of what does not fit."))
@click.option("--topic", "topics", multiple=True, metavar="NAME", help=_("Only with this topic (repeatable)."))
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True, help=_("At most so many."))
@click.option("--cursor", default="", help=_("Go on after an earlier answer: its 'next'."))
@click.option("--extra", type=click.Path(path_type=Path, dir_okay=False), help=_("A keiken-facts.yaml of your own."))
@pass_terminal
def command(
    terminal: Terminal,
    words: tuple[str, ...],
    fits: bool,
    explain: bool,
    topics: tuple[str, ...],
    limit: int,
    cursor: str,
    extra: Path | None,
) -> None:
    login = saved_login()
    facts = None
    if fits or explain:
        with terminal.working(_("looking at this machine")):
            facts = machine_facts(extra=extra)
    with terminal.working(_("searching")), login.client() as client:
        page = client.search(
            " ".join(words), topics=topics, facts=facts, fits=fits, explain=explain, limit=limit, cursor=cursor
        )
    terminal.answer(page.as_json(), *_shown(page))


def _shown(page: Page) -> list[Any]:
    if not page.results:
        return [_("Nothing was found. Other words, or without --fits, may find more.")]
    columns = [_("experience"), _("title"), _("proof"), _("rating"), _("fits here")]
    shown: list[Any] = [table(columns, [_row(item) for item in page.results])]
    for item in page.results:
        for finding in item.fit.findings if item.fit else []:
            found = _("unknown") if finding.status == "unknown" else finding.found
            text = _("{name}: {condition}: {status}, found {found}")
            shown.append(
                text.format(
                    name=f"{item.organization}/{item.name}",
                    condition=finding.condition,
                    status=finding.status,
                    found=found,
                )
            )
    if page.next:
        shown.append(_("There is more: --cursor {cursor}").format(cursor=page.next))
    return shown


def _row(item: Listing) -> list[Any]:
    return [
        f"{item.organization}/{item.name}" + (f"@{item.latest_version}" if item.latest_version else ""),
        item.title,
        word(item.verification.status),
        rating(item),
        word(item.fit.status) if item.fit else "",
    ]


def rating(item: Listing) -> str:
    return f"{item.rating.mean:.1f} ({item.rating.count})" if item.rating.mean is not None else "—"

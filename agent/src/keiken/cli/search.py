"""``keiken search``: what there is, and what holds here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.machine import machine_facts
from keiken.cli.terminal import Terminal, table, word
from keiken.client import saved_login
from keiken.client.shapes import Found, FoundPage, Listing
from keiken.i18n import _

FILTERS = ("environment", "action", "license", "price", "language", "publisher", "verified")
SORTS = ("relevance", "quality", "newest", "replayed")
VALUES_SHOWN = 8


def _filter_options(function: Callable[..., None]) -> Callable[..., None]:
    """One repeatable option for each filter; together they arrive as keyword arguments of these names."""
    helps = {
        "environment": _("Only proven in this environment (repeatable: any of them)."),
        "action": _("Only with steps of this kind: run, shell, http, file, ask."),
        "license": _("Only with such an offer for everybody: free, purchase, subscription, metered, request."),
        "price": _("Only in this band: free, low, middle, high."),
        "language": _("Only with text in this language: en, ja, zh, ko."),
        "publisher": _("Only of this organization."),
        "verified": _("Only with such a proof: day, week, verified, unverified, failing."),
    }
    for name in reversed(FILTERS):
        function = click.option(f"--{name}", name, multiple=True, metavar="NAME", help=helps[name])(function)
    return function


@click.command(
    "search", cls=Command, help=_("Search the marketplace. With --fits this machine's facts are sent along.")
)
@click.argument("words", metavar="[WORDS]...", nargs=-1)
@click.option("--fits", is_flag=True, help=_("Only what is known to hold with this machine's facts."))
@click.option("--nearly", is_flag=True, help=_("Like --fits, and behind it what lacks one or two conditions."))
@click.option("--explain", is_flag=True, help=_("Send the facts and show every condition, also of what does not fit."))
@click.option("--topic", "topics", multiple=True, metavar="NAME", help=_("Only with this topic (repeatable)."))
@_filter_options
@click.option("--sort", type=click.Choice(SORTS), default="relevance", show_default=True, help=_("What comes first."))
@click.option("--counts", is_flag=True, help=_("Also show what can be chosen further, with counts."))
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True, help=_("At most so many."))
@click.option("--cursor", default="", help=_("Go on after an earlier answer: its 'next'."))
@click.option("--extra", type=click.Path(path_type=Path, dir_okay=False), help=_("A keiken-facts.yaml of your own."))
@pass_terminal
def command(
    terminal: Terminal,
    /,
    words: tuple[str, ...],
    fits: bool,
    nearly: bool,
    explain: bool,
    topics: tuple[str, ...],
    sort: str,
    counts: bool,
    limit: int,
    cursor: str,
    extra: Path | None,
    **filters: tuple[str, ...],
) -> None:
    login = saved_login()
    facts = None
    if fits or nearly or explain:
        with terminal.working(_("looking at this machine")):
            facts = machine_facts(extra=extra)
    with terminal.working(_("searching")), login.client() as client:
        page = client.search(
            " ".join(words),
            topics=topics,
            facts=facts,
            fits=fits,
            nearly=nearly,
            filters={name: values for name, values in filters.items() if values},
            sort=sort,
            explain=explain,
            limit=limit,
            cursor=cursor,
        )
    terminal.answer(page.as_json(), *_shown(page), *(_counts(page) if counts else []))


def _shown(page: FoundPage) -> list[Any]:
    if not page.results:
        return [_("Nothing was found. Other words, or --nearly, may find more.")]
    columns = [_("experience"), _("title"), _("proof"), _("rating"), _("fits here"), _("found by")]
    shown: list[Any] = [table(columns, [[*_row(item), _reasons(item)] for item in page.results])]
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
    if page.total is not None and page.total > len(page.results):
        shown.append(_("{n} in all.").format(n=page.total))
    if page.next:
        shown.append(_("There is more: --cursor {cursor}").format(cursor=page.next))
    return shown


def _reasons(item: Found) -> str:
    """``certificate (title, steps)``."""
    places = {"meaning": _("close in meaning")}
    return "; ".join(
        f"{reason.word} ({', '.join(places.get(place, place) for place in reason.where)})" for reason in item.reasons
    )


def _counts(page: FoundPage) -> list[str]:
    """``topic: tls 12, nginx 3``: each can be given as an option of this name."""
    return [
        f"{name}: " + ", ".join(f"{item.value} {item.count}" for item in values[:VALUES_SHOWN])
        for name, values in page.facets.items()
        if values
    ]


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

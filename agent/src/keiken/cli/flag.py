"""``keiken flag``: tell the marketplace's reviewers of something that should not be there; learn what came of it."""

from __future__ import annotations

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.client import Reference, saved_login
from keiken.client.shapes import Case
from keiken.errors import UsageError
from keiken.i18n import _

REASONS = click.Choice(["security", "deception", "abuse", "spam", "privacy", "illegal", "conflict", "other"])


@click.command("flag", cls=Command, help=_("Report an experience or a rating to the reviewers; see what came of it."))
@click.argument("reference", metavar="ORG/NAME", required=False, default="")
@click.option("--rating", type=int, metavar="RATING", help=_("This rating instead of the experience."))
@click.option("--answer", "is_answer", is_flag=True, help=_("The publisher's answer to that rating."))
@click.option("--reason", type=REASONS, help=_("What is wrong with it."))
@click.option("--text", help=_("In words, for the reviewers only."))
@click.option("--case", metavar="ID", help=_("What came of this case."))
@click.option("--appeal", metavar="TEXT", help=_("With --case: why hiding something of yours is wrong."))
@pass_terminal
def command(
    terminal: Terminal,
    reference: str,
    rating: int | None,
    is_answer: bool,
    reason: str | None,
    text: str | None,
    case: str | None,
    appeal: str | None,
) -> None:
    if case is None and not (reason and text and (reference or rating)):
        raise UsageError(
            "flag_incomplete",
            _("A report names what it is about, a reason and what is wrong."),
            _("Use 'keiken flag ORG/NAME --reason security --text TEXT', or '--case ID' to see what came of one."),
        )
    login = saved_login()
    with login.client() as client:
        if case is not None:
            found = client.appeal(case, appeal) if appeal else client.case(case)
        elif rating is not None:
            found = client.flag_rating(rating, reason=reason or "", text=text or "", is_answer=is_answer)
        else:
            found = client.flag(Reference.parse(reference), reason=reason or "", text=text or "")
    terminal.answer(found.as_json(), _said(found))


def _said(found: Case) -> str:
    if found.state == "open":
        return _("Reported. A reviewer looks at it: 'keiken flag --case {id}' tells what comes of it.").format(
            id=found.id
        )
    if found.state == "appealed":
        return _("The appeal waits for a reviewer.")
    if found.outcome == "hidden":
        why = f" {found.statement}" if found.statement else ""
        return _("It is hidden ({reason}).").format(reason=found.reason) + why
    return _("It was looked at and stays.")

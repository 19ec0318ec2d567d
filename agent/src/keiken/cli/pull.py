"""``keiken pull``: a licensed package and its signed statements, for use without the network."""

from __future__ import annotations

from dataclasses import asdict

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.market import claim_document, passing, pulled_now
from keiken.cli.terminal import Terminal
from keiken.client import Reference, saved_login
from keiken.i18n import _


@click.command("pull", cls=Command, help=_("Fetch a package and its signed statements, verified, for offline use."))
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option("--fresh", is_flag=True, help=_("Fetch everything again, whatever is here already."))
@pass_terminal
def command(terminal: Terminal, reference: str, fresh: bool) -> None:
    wanted = Reference.parse(reference)
    pulled, claims = pulled_now(terminal, saved_login(), wanted, fresh=fresh)
    proven = passing(claims)
    document = {
        **asdict(pulled),
        "archive": str(pulled.archive),
        "attestations": str(pulled.attestations),
        "proven_in": [claim_document(claim) for claim in proven],
    }
    names = ", ".join(claim.environment for claim in proven)
    terminal.answer(
        document,
        _("Pulled {reference}").format(reference=pulled.reference),
        f"  {pulled.digest}",
        f"  {pulled.archive}",
        _("  signed as proven in {names}").format(names=names) if names else _("  not signed as proven anywhere yet"),
    )

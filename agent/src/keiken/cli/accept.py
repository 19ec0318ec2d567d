"""``keiken accept``: read the terms of an offer and accept exactly that text for your organization."""

from __future__ import annotations

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.offers import ask, chosen, read_terms, show_terms
from keiken.cli.terminal import Terminal
from keiken.client import Client, Reference, saved_login
from keiken.client.shapes import Grant, Terms
from keiken.i18n import _


@click.command("accept", cls=Command, help=_("Read and accept the terms on which an experience is offered."))
@click.argument("reference", metavar="ORG/NAME")
@click.option("--offer", "offer_id", default="", metavar="ID", help=_("Which offer, where there are several."))
@click.option("--yes", is_flag=True, help=_("Accept without being asked; the terms are still shown."))
@pass_terminal
def command(terminal: Terminal, reference: str, offer_id: str, yes: bool) -> None:
    wanted = Reference.parse(reference)
    with saved_login().client() as client:
        held = _held(client, wanted)
        if held is not None and not offer_id:
            _answer(terminal, held, wanted, terms=None)
            return
        offer = chosen(client.offers(wanted), wanted, offer_id)
        terms = read_terms(client, offer)
        show_terms(terminal, offer, terms)
        if not yes:
            ask(terminal, wanted)
        grant = client.accept(offer.id, terms_sha256=terms.text_sha256)
    _answer(terminal, grant, wanted, terms=terms)


def _held(client: Client, wanted: Reference) -> Grant | None:
    """The license that your organization has already."""
    me = client.me()
    slug = me.organization.slug if me.organization else ""
    for grant in client.grants() if client.experience(wanted).granted else ():
        is_ours = grant.as_json().get("organization") == slug and not grant.as_json().get("revoked_at")
        if grant.experience == wanted.experience and is_ours:
            return grant
    return None


def _answer(terminal: Terminal, grant: Grant, wanted: Reference, *, terms: Terms | None) -> None:
    """``terms`` are those that were accepted just now; None for a license that was held before."""
    new, known = _("Your organization may now use {reference}."), _("Your organization may use {reference} already.")
    said = known if terms is None else new
    end = _("until {date}").format(date=grant.ends_at.date()) if grant.ends_at else _("until it is revoked")
    terminal.answer(
        {**grant.as_json(), "is_new": terms is not None, "terms": terms.as_json() if terms else None},
        said.format(reference=wanted.experience),
        _("License {id}, {end}, for: {uses}").format(id=grant.id, end=end, uses=", ".join(grant.uses)),
    )

"""``keiken accept``: read the terms of an offer and accept exactly that text for your organization."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal, heading
from keiken.client import Client, Reference, saved_login
from keiken.client.shapes import Grant, Offer, Terms
from keiken.errors import Refused, TrustError, UsageError
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
        offer = _chosen(client.offers(wanted), wanted, offer_id)
        terms = _read(client, offer)
        _show(terminal, offer, terms)
        if not yes:
            _ask(terminal, wanted)
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


def _chosen(offers: Sequence[Offer], wanted: Reference, offer_id: str) -> Offer:
    found = [offer for offer in offers if offer_id in ("", offer.id)]
    if not found:
        raise UsageError(
            "offer_missing",
            _("There is no such offer of {reference} to your organization.").format(reference=wanted.experience),
            _("See what is offered: 'keiken show {reference}'.").format(reference=wanted.experience),
        )
    if len(found) > 1:
        raise UsageError(
            "offer_ambiguous",
            _("{reference} is offered in several ways.").format(reference=wanted.experience),
            _("Name one: {names}.").format(names=", ".join(f"--offer {offer.id} ({offer.kind})" for offer in found)),
        )
    return found[0]


def _read(client: Client, offer: Offer) -> Terms:
    """The terms with their text; what is accepted is the hash of the text that is shown here."""
    terms = client.terms(offer.terms.id)
    found = hashlib.sha256((terms.text or "").encode()).hexdigest()
    if not terms.text or found != terms.text_sha256 or found != offer.terms.text_sha256:
        raise TrustError(
            "terms_mismatch",
            _("The text of the terms does not have the hash that the offer names."),
            _("Try again; if it stays so, ask the publisher. Nothing was accepted."),
        )
    return terms


def _show(terminal: Terminal, offer: Offer, terms: Terms) -> None:
    length = _("until it is revoked") if offer.grant_days is None else _("for {n} days").format(n=offer.grant_days)
    terminal.show(
        heading(f"{terms.name} v{terms.version} · {terms.spdx or terms.kind} · {offer.kind} · {length}"),
        terms.text or "",
        _("You may: {uses}").format(uses=", ".join(terms.uses)),
        f"sha256 {terms.text_sha256}",
    )


def _ask(terminal: Terminal, wanted: Reference) -> None:
    answer = terminal.confirm(_("Accept these terms of {reference}?").format(reference=wanted.experience))
    if answer is None:
        raise Refused(
            "confirmation_missing",
            _("The terms were not accepted: there is nobody to ask."),
            _("Read them, then run it again with --yes."),
        )
    if not answer:
        raise Refused("terms_declined", _("The terms were not accepted."), _("Nothing was changed."))


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

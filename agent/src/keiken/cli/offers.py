"""Choosing an offer and reading its terms: what ``accept`` and ``buy`` share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from keiken.cli.terminal import Terminal, heading
from keiken.client import Client, Reference
from keiken.client.shapes import Offer, Terms
from keiken.errors import Refused, TrustError, UsageError
from keiken.i18n import _


def chosen(offers: Sequence[Offer], wanted: Reference, offer_id: str) -> Offer:
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
            _("Name one: {names}.").format(names=", ".join(f"--offer {offer.id} ({_named(offer)})" for offer in found)),
        )
    return found[0]


def _named(offer: Offer) -> str:
    return " ".join(part for part in (offer.kind, offer.pricing.get("plan"), offer.price) if part)


def read_terms(client: Client, offer: Offer) -> Terms:
    """The terms with their text; what is accepted is the hash of the text that is shown here."""
    terms = client.terms(offer.terms.id)
    found = hashlib.sha256(terms.document.encode()).hexdigest()
    if not terms.text or found != terms.text_sha256 or found != offer.terms.text_sha256:
        raise TrustError(
            "terms_mismatch",
            _("The text of the terms does not have the hash that the offer names."),
            _("Try again; if it stays so, ask the publisher. Nothing was accepted."),
        )
    return terms


def show_terms(terminal: Terminal, offer: Offer, terms: Terms) -> None:
    length = _("until it is revoked") if offer.grant_days is None else _("for {n} days").format(n=offer.grant_days)
    price = f" · {offer.price}" if offer.price else ""
    terminal.show(
        heading(f"{terms.name} v{terms.version} · {terms.spdx or terms.kind} · {offer.kind} · {length}{price}"),
        terms.text or "",
        *([terms.text_ja] if terms.text_ja else []),
        *_rules(terms),
        _("You may: {uses}").format(uses=", ".join(terms.uses)),
        f"sha256 {terms.text_sha256}",
    )


def _rules(terms: Terms) -> list[str]:
    """What the terms say beyond their uses, a line each."""
    named = {
        "territory": _("Only in: {value}"),
        "fields_of_use": _("Only for: {value}"),
        "attribution": _("Name: {value}"),
        "warranty": _("Warranty: {value}"),
        "liability": _("Liability: {value}"),
        "support_contact": _("Support: {value}"),
    }
    lines = []
    for name, text in named.items():
        value = terms.rules.get(name)
        if value:
            lines.append(text.format(value=", ".join(value) if isinstance(value, list) else value))
    if terms.rules.get("is_confidential"):
        lines.append(_("Keep it confidential."))
    return lines


def ask(terminal: Terminal, wanted: Reference) -> None:
    answer = terminal.confirm(_("Accept these terms of {reference}?").format(reference=wanted.experience))
    if answer is None:
        raise Refused(
            "confirmation_missing",
            _("The terms were not accepted: there is nobody to ask."),
            _("Read them, then run it again with --yes."),
        )
    if not answer:
        raise Refused("terms_declined", _("The terms were not accepted."), _("Nothing was changed."))

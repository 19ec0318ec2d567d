"""``keiken buy``: order a paid offer for your organization, within what its owners allow you to spend."""

from __future__ import annotations

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.offers import ask, chosen, read_terms, show_terms
from keiken.cli.terminal import Terminal
from keiken.client import Reference, saved_login
from keiken.client.shapes import Order
from keiken.i18n import _


@click.command("buy", cls=Command, help=_("Read the terms and order a paid offer."))
@click.argument("reference", metavar="ORG/NAME")
@click.option("--offer", "offer_id", default="", metavar="ID", help=_("Which offer, where there are several."))
@click.option("--coupon", default="", metavar="CODE", help=_("A code that lowers the price."))
@click.option("--yes", is_flag=True, help=_("Order without being asked; the terms are still shown."))
@pass_terminal
def command(terminal: Terminal, reference: str, offer_id: str, coupon: str, yes: bool) -> None:
    wanted = Reference.parse(reference)
    with saved_login().client() as client:
        offer = chosen([offer for offer in client.offers(wanted) if offer.price], wanted, offer_id)
        terms = read_terms(client, offer)
        show_terms(terminal, offer, terms)
        if not yes:
            ask(terminal, wanted)
        order = client.order(offer.id, terms_sha256=terms.text_sha256, coupon=coupon)
    terminal.answer(
        order.as_json(),
        _("Ordered {reference} for {total}: order {number}.").format(
            reference=wanted.experience, total=order.total, number=order.number
        ),
        _next(order),
    )


def _next(order: Order) -> str:
    if order.state != "open":
        return _("It is paid; pull it with 'keiken pull'.")
    if order.checkout_url:
        return _("Pay here: {url}").format(url=order.checkout_url)
    return _("An invoice follows. When the operator has seen the payment, the license is there.")

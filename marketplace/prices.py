"""What an offer costs, in words and in numbers, before anybody orders it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from licensing.domain.bookkeeping import in_words, part_of
from licensing.models import Offer, Order
from licensing.offered import is_ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """An order's amounts in words. ``tax`` and ``total`` are empty where the provider reckons the tax."""

    net: str
    credit: str = ""
    """What is set off for the license that it replaces."""
    tax: str = ""
    total: str = ""


def price_of(offer: Offer) -> str:
    """``49.00 EUR once``; for what costs nothing, its kind."""
    if not offer.price_minor:
        return _("Free for every organization") if offer.kind == Offer.Kind.FREE else offer.get_kind_display()
    price = in_words(offer.price_minor, offer.currency)
    if offer.kind == Offer.Kind.METERED:
        return _("{price} for each successful replay").format(price=price)
    if offer.interval == Offer.Interval.MONTH:
        return _("{price} a month").format(price=price)
    if offer.interval == Offer.Interval.YEAR:
        return _("{price} a year").format(price=price)
    return _("{price} once").format(price=price)


def quote_of(offer: Offer, *, credit_minor: int = 0) -> Quote | None:
    """What an order comes to without a coupon, as ``place_order`` reckons it; None for what is not ordered."""
    if not is_ordered(offer):
        return None
    configuration = settings.KEIKEN
    net = in_words(offer.price_minor, offer.currency)
    credit = in_words(credit_minor, offer.currency) if credit_minor else ""
    if configuration.payments != "invoice":
        return Quote(net=net, credit=credit)
    tax_minor = part_of(offer.price_minor, configuration.tax_basis_points)
    order = Order(net_minor=offer.price_minor, tax_minor=tax_minor, credit_minor=credit_minor)
    tax = order.due_minor - (offer.price_minor - credit_minor)
    return Quote(
        net=net,
        credit=credit,
        tax=in_words(tax, offer.currency),
        total=in_words(order.due_minor, offer.currency),
    )

"""What an offer costs, in words and in numbers, before anybody orders it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from licensing.domain.bookkeeping import in_words, part_of
from licensing.drivers import PAID_KINDS
from licensing.models import Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """An order's amounts in words. ``tax`` and ``total`` are empty where the provider reckons the tax."""

    net: str
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


def quote_of(offer: Offer) -> Quote | None:
    """What an order comes to without a coupon, as ``place_order`` reckons it; None for what is not ordered."""
    if offer.kind not in PAID_KINDS:
        return None
    configuration = settings.KEIKEN
    net = in_words(offer.price_minor, offer.currency)
    if configuration.payments != "invoice":
        return Quote(net=net)
    tax = part_of(offer.price_minor, configuration.tax_basis_points)
    return Quote(net=net, tax=in_words(tax, offer.currency), total=in_words(offer.price_minor + tax, offer.currency))

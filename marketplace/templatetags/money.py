"""Amounts and prices inside the pages."""

from __future__ import annotations

from django import template

from licensing.domain.bookkeeping import in_words
from licensing.models import Offer
from marketplace.prices import price_of

register = template.Library()


@register.filter
def price(offer: Offer) -> str:
    return price_of(offer)


@register.filter
def money(amount_minor: int, currency: str) -> str:
    return in_words(amount_minor, currency)

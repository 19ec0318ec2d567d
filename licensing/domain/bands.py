"""Prices in bands, so that a search can count and choose by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from licensing.domain.bookkeeping import ZERO_DECIMAL

BANDS: Final = ("free", "low", "middle", "high")
_BELOW: Final = (("low", 10), ("middle", 100))
YEN_PER_UNIT: Final = 150
"""What one unit of the other currencies is taken for in those without cents: the order of magnitude, no rate."""


def band_of(price_minor: int, currency: str) -> str:
    """Of one price: ``free``, ``low`` below 10 units of the currency, ``middle`` below 100, else ``high``."""
    if price_minor == 0:
        return "free"
    per_unit = YEN_PER_UNIT if currency.upper() in ZERO_DECIMAL else 100
    return next((name for name, limit in _BELOW if price_minor < limit * per_unit), "high")


def lowest_band(prices: Iterable[tuple[int, str]]) -> str:
    """Of several offers, ``(price_minor, currency)`` each; empty without any."""
    return min((band_of(*price) for price in prices), key=BANDS.index, default="")

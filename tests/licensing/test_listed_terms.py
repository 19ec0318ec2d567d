"""What a search may choose by of an experience's offers: those that are open to everybody, and the lowest price."""

from __future__ import annotations

import pytest

from licensing.domain.bands import band_of, lowest_band


@pytest.mark.parametrize(
    ("price_minor", "currency", "band"),
    [
        (0, "", "free"),
        (1, "EUR", "low"),
        (999, "EUR", "low"),
        (1_000, "EUR", "middle"),
        (9_999, "USD", "middle"),
        (10_000, "USD", "high"),
        (1_499, "JPY", "low"),
        (1_500, "JPY", "middle"),
        (15_000, "jpy", "high"),
    ],
)
def test_prices_fall_into_bands(price_minor: int, currency: str, band: str) -> None:
    assert band_of(price_minor, currency) == band


def test_the_lowest_of_several_counts() -> None:
    assert lowest_band([]) == ""
    assert lowest_band([(20_000, "EUR"), (500, "EUR")]) == "low"
    assert lowest_band([(500, "EUR"), (0, "")]) == "free"

"""Bars by month as SVG. A table beside it says the same."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

BAR, GAP, HEIGHT = 40, 12, 120


def bars(cells: Sequence[tuple[str, str, int]], label: str) -> SafeString:
    """``cells`` are a short name, the amount in words and the amount, oldest first; what is below zero hangs down."""
    top = max([amount for _name, _words, amount in cells] + [0])
    bottom = min([amount for _name, _words, amount in cells] + [0])
    scale = HEIGHT / ((top - bottom) or 1)
    zero = top * scale
    drawn = format_html_join("", _BAR, (
        (words, place * (BAR + GAP), _y(amount, zero, scale), BAR, round(abs(amount) * scale, 1),
         "good" if amount >= 0 else "bad", place * (BAR + GAP) + BAR // 2, HEIGHT + 18, name)
        for place, (name, words, amount) in enumerate(cells)
    ))  # fmt: skip
    width = max(1, len(cells)) * (BAR + GAP)
    return format_html(
        '<svg class="plot" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">'
        '<path class="axis" d="M0 {}H{}"/>{}</svg>',
        label,
        width,
        HEIGHT + 24,
        width,
        HEIGHT + 24,
        round(zero, 1),
        width,
        drawn,
    )


_BAR = (
    '<g><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" class="{}"/>'
    '<text x="{}" y="{}" text-anchor="middle" font-size="11">{}</text></g>'
)


def _y(amount: int, zero: float, scale: float) -> float:
    return round(zero - amount * scale if amount > 0 else zero, 1)

"""Small drawings as SVG: the strip of verdicts inside a page, the badge for other people's pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

CELL, GAP, HEIGHT = 12, 3, 24
SHAPES: Final[dict[str, str]] = {
    # What passed stands full; what speaks against it is crossed; what is in doubt is half as high; the rest is hollow.
    "good": '<rect class="good" x="{x}" y="1" width="12" height="22"/>',
    "bad": '<rect class="bad" x="{x}" y="1" width="12" height="22"/>'
    '<path class="over" d="M{left} 7l6 10M{right} 7l-6 10"/>',
    "warn": '<rect class="hollow" x="{half}" y="1.5" width="11" height="21"/>'
    '<rect class="warn" x="{x}" y="12" width="12" height="11"/>',
    "": '<rect class="hollow" x="{half}" y="1.5" width="11" height="21"/>',
}
BADGE_COLORS: Final[dict[str, str]] = {
    "passed": "#17623f",
    "failed": "#a62b17",
    "flaky": "#7a4d00",
    "unverified": "#4a5855",
    "expired": "#4a5855",
}
BADGE_MARKS: Final[dict[str, str]] = {
    "passed": "m0 4 3 3 5-7",
    "failed": "m1 0 6 7m0-7-6 7",
    "flaky": "m0 6 2-5 2 5 2-5 2 5",
    "unverified": "m0 3.5h8",
    "expired": "M4 0v4l3 2",
}


def strip(cells: Sequence[tuple[str, str, str]], label: str) -> SafeString:
    """``cells`` are tone, words and address, oldest first; ``label`` says in words what the whole shows."""
    drawn = format_html_join("", '<a href="{}" tabindex="-1"><title>{}</title>{}</a>', (
        (address, words, _shape(tone, place)) for place, (tone, words, address) in enumerate(cells)
    ))  # fmt: skip
    width = len(cells) * (CELL + GAP)
    return format_html(
        '<svg class="strip" role="group" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>',
        label,
        width,
        HEIGHT,
        width,
        HEIGHT,
        drawn,
    )


def _shape(tone: str, place: int) -> SafeString:
    x = place * (CELL + GAP)
    drawn = SHAPES[tone].format(x=x, half=x + 0.5, left=x + 3, right=x + 9)
    return mark_safe(drawn)  # noqa: S308  # constants of ours and a number


def badge(name: str, state: str, word: str, *, title: str) -> bytes:
    """A badge of two fields, ``name`` and ``word``, in the color and with the mark of ``state``."""
    left, right = _width(name) + 18, _width(word) + 32
    width, color, told = left + right, BADGE_COLORS[state], escape(title)
    stroke = 'fill="none" stroke="#fff" stroke-width="1.6"'
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{told}">'
        f"<title>{told}</title>"
        f'<rect width="{width}" height="20" rx="3" fill="#17211f"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z" fill="{color}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="9" y="14" textLength="{left - 18}">{escape(name)}</text>'
        f'<text x="{left + 23}" y="14" textLength="{right - 32}">{escape(word)}</text></g>'
        f'<path transform="translate({left + 9} 6.5)" d="{BADGE_MARKS[state]}" {stroke}/>'
        "</svg>\n"
    )
    return text.encode()


def _width(text: str) -> int:
    """About as wide as the text is in 11 pixels; the browser then fits it exactly."""
    return round(sum(_character_width(character) for character in text))


def _character_width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 11
    return 3.6 if character in "fijlrt .,:;|!'" else 6.7


SHARES_WIDTH, SHARES_HEIGHT = 160, 12


def shares(good: int, bad: int) -> SafeString:
    """A bar of two parts, good from the left in full, bad to the right crossed. The numbers stand beside it."""
    part = round(SHARES_WIDTH * good / (good + bad)) if good + bad else 0
    crosses = "".join(
        f'<path class="over" d="M{x} {SHARES_HEIGHT}l{SHARES_HEIGHT} -{SHARES_HEIGHT}"/>'
        for x in range(part, SHARES_WIDTH - SHARES_HEIGHT + 1, SHARES_HEIGHT)
    )
    return mark_safe(  # noqa: S308  # numbers and constants of ours
        f'<svg class="strip" aria-hidden="true" width="{SHARES_WIDTH}" height="{SHARES_HEIGHT}"'
        f' viewBox="0 0 {SHARES_WIDTH} {SHARES_HEIGHT}"><rect class="good" width="{part}" height="{SHARES_HEIGHT}"/>'
        f'<rect class="bad" x="{part}" width="{SHARES_WIDTH - part}" height="{SHARES_HEIGHT}"/>{crosses}</svg>'
    )

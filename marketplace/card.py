"""The picture that other sites show beside a link to an experience: 1200 by 630 pixels, drawn here, nothing fetched.

Text is set in a font of this machine where there is a good one, else in the one that Pillow brings. A title that no
font here can show is left out rather than shown as boxes; the name of an experience is always plain letters.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
DRAWING: Final = 1
"""Counted up whenever the same words are drawn otherwise, so that nobody keeps the old picture."""
WIDTH, HEIGHT, EDGE = 1200, 630, 72
PAPER, INK, SOFT, LINE, INDIGO = "#f4f6f5", "#17211f", "#4a5855", "#d3dbd8", "#23457f"
COLORS: Final = {
    "passed": "#17623f",
    "failed": "#a62b17",
    "flaky": "#7a4d00",
    "unverified": "#4a5855",
    "expired": "#4a5855",
}
FILES: Final = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf",
    "/usr/share/fonts/truetype/fonts-japanese-gothic.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)
TITLE_SIZES: Final = (64, 56, 46)
TITLE_LINES: Final = 3


def card(*, title: str, name: str, state: str, word: str, detail: str) -> bytes:
    """A PNG. ``state`` is that of the badge, ``word`` what it is called, ``detail`` one line below."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 18, HEIGHT), fill=COLORS[state])
    _mark(draw, EDGE, 56)
    draw.text((EDGE + 84, 66), "Keiken", font=_font("Keiken", 40), fill=INK)
    draw.text((EDGE, 168), _cut(draw, name, 34), font=_font(name, 34), fill=SOFT)
    if _can_show(title):
        size, lines = _fitted(draw, title)
        for place, line in enumerate(lines):
            draw.text((EDGE, 218 + place * round(size * 1.25)), line, font=_font(title, size), fill=INK)
    draw.line((EDGE, 500, WIDTH - EDGE, 500), fill=LINE, width=2)
    draw.rounded_rectangle((EDGE, 530, EDGE + 40, 570), radius=5, outline=COLORS[state], width=4)
    draw.line([(EDGE + x, 530 + y) for x, y in _SHAPES[state]], fill=COLORS[state], width=5, joint="curve")
    shown = word if _can_show(word) else state
    draw.text((EDGE + 58, 528), shown, font=_font(shown, 34), fill=COLORS[state])
    if _can_show(detail):
        start = EDGE + 58 + round(draw.textlength(shown, font=_font(shown, 34))) + 32
        draw.text((start, 534), _cut(draw, detail, 28, WIDTH - EDGE - start), font=_font(detail, 28), fill=SOFT)
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


_SHAPES: Final[dict[str, Sequence[tuple[int, int]]]] = {
    # A mark for each state, so that its color is not needed.
    "passed": [(10, 21), (18, 29), (31, 11)],
    "failed": [(11, 11), (29, 29), (20, 20), (29, 11), (11, 29)],
    "flaky": [(8, 26), (15, 13), (22, 26), (30, 13)],
    "unverified": [(10, 20), (30, 20)],
    "expired": [(20, 9), (20, 20), (28, 25)],
}


def _mark(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    draw.rounded_rectangle((x, y, x + 64, y + 64), radius=9, fill=INDIGO)
    for points in ([(18, 13), (18, 51)], [(18, 35), (42, 13)], [(27, 27), (37, 37)], [(35, 45), (41, 52), (53, 37)]):
        draw.line([(x + dx, y + dy) for dx, dy in points], fill=PAPER, width=6, joint="curve")


def _fitted(draw: ImageDraw.ImageDraw, title: str) -> tuple[int, list[str]]:
    """The largest size in which it fits on three lines; in the smallest the rest is cut."""
    for size in TITLE_SIZES:
        lines = _wrapped(draw, title, size)
        if len(lines) <= TITLE_LINES:
            return size, lines
    kept = lines[:TITLE_LINES]
    return size, [*kept[:-1], _cut(draw, f"{kept[-1]} …", size)]


def _wrapped(draw: ImageDraw.ImageDraw, text: str, size: int) -> list[str]:
    """Broken at spaces, and within a word that is wider than the card, as Japanese is."""
    lines = [""]
    for word in text.split():
        together = f"{lines[-1]} {word}".strip()
        if _width(draw, together, size) <= WIDTH - 2 * EDGE:
            lines[-1] = together
            continue
        lines.append("")
        for character in word:
            if _width(draw, lines[-1] + character, size) > WIDTH - 2 * EDGE:
                lines.append("")
            lines[-1] += character
    return [line for line in lines if line]


def _cut(draw: ImageDraw.ImageDraw, text: str, size: int, room: int = WIDTH - 2 * EDGE) -> str:
    if _width(draw, text, size) <= room:
        return text
    while text and _width(draw, f"{text}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _width(draw: ImageDraw.ImageDraw, text: str, size: int) -> float:
    return draw.textlength(text, font=_font(text, size))


def _font(text: str, size: int) -> Font:
    """The first font that can show the whole text."""
    return _loaded(next((file for file in _files() if _covers(file, text)), ""), size)


def _can_show(text: str) -> bool:
    return any(_covers(file, text) for file in _files())


@functools.cache
def _files() -> tuple[str, ...]:
    """The empty name is Pillow's own font."""
    return (*(file for file in FILES if Path(file).is_file()), "")


@functools.lru_cache(maxsize=64)
def _loaded(file: str, size: int) -> Font:
    return ImageFont.truetype(file, size) if file else ImageFont.load_default(size)


def _covers(file: str, text: str) -> bool:
    return all(_has(file, character) for character in set(text) if not character.isspace())


@functools.lru_cache(maxsize=4096)
def _has(file: str, character: str) -> bool:
    """Whether there is a glyph: what a font lacks it draws like a character that does not exist."""
    font = _loaded(file, 32)
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))

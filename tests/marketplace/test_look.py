"""The look keeps its promises: contrast in light and dark, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "static"
CSS = (STATIC / "keiken.css").read_text()
GROUNDS = ("paper", "sheet", "sunk")
PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-soft", "indigo", "indigo-deep") for ground in GROUNDS),
    *((ink, ground) for ink in ("pine", "amber", "vermilion") for ground in ("paper", "sheet")),
    ("on-indigo", "indigo"),
    ("on-indigo", "indigo-deep"),
    *((ink, f"{ink}-wash") for ink in ("indigo", "pine", "amber", "vermilion")),
    *(("ink", f"{wash}-wash") for wash in ("indigo", "pine", "amber", "vermilion")),
]


def tokens(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


def themes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.S)[:2]
    return {"light": tokens(light), "dark": {**tokens(light), **tokens(dark)}}


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it: 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(theme: str) -> None:
    found = themes()[theme]
    poor = {pair: round(contrast(found[pair[0]], found[pair[1]]), 2) for pair in PAIRS}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_borders_of_fields_and_the_focus_ring_can_be_seen(theme: str) -> None:
    found = themes()[theme]
    for ground in ("paper", "sheet"):
        assert contrast(found["line-strong"], found[ground]) >= 3
        assert contrast(found["focus"], found[ground]) >= 3


def test_the_dark_theme_changes_every_color() -> None:
    light, dark = (tokens(block) for block in re.findall(r":root \{(.*?)\}", CSS, re.S)[:2])
    assert set(dark) == set(light)


@pytest.mark.parametrize("name", ["keiken.css", "keiken.js", "mark.svg"])
def test_nothing_is_fetched_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|url\(|@import", text)

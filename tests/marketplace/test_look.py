"""The look keeps its promises: contrast in light and dark, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

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


def themes() -> dict[str, dict[str, str]]:
    """Every color of both themes by its token's name."""
    found = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    return {"light": {name: light for name, light, _ in found}, "dark": {name: dark for name, _, dark in found}}


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


def test_every_color_is_a_token_with_a_light_and_a_dark_value() -> None:
    """What is printed, and a shadow, are the same in both."""
    below = CSS.split("/* Ground */")[1].split("@media print")[0]
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgb\((?!0 0 0)", below) == []
    assert all(light != dark for light, dark in zip(themes()["light"].values(), themes()["dark"].values(), strict=True))
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", CSS))
    assert used - set(re.findall(r"--([a-z0-9-]+):", CSS)) == set()


@pytest.mark.parametrize("name", ["keiken.css", "keiken.js", "mark.svg"])
def test_nothing_is_fetched_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_chosen_theme_is_kept_and_forgotten_without_javascript(db: None) -> None:
    client = Client()
    assert "data-theme" not in client.get("/").content.decode()
    answer = client.post("/theme", {"theme": "dark", "next": "/browse"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/browse")
    assert answer.cookies["keiken_theme"]["httponly"]
    html = client.get("/").content.decode()
    assert 'data-theme="dark"' in html
    assert '<meta name="color-scheme" content="dark">' in html
    client.post("/theme", {"theme": ""})
    assert "data-theme" not in client.get("/").content.decode()


@pytest.mark.parametrize("theme", ["neon", '"><script>', "light dark"])
def test_what_is_no_theme_changes_nothing(db: None, theme: str) -> None:
    client = Client()
    answer = client.post("/theme", {"theme": theme, "next": "//evil.example"})
    assert (answer.headers["Location"], answer.cookies["keiken_theme"].value) == ("/", "")
    client.cookies["keiken_theme"] = theme
    html = client.get("/").content.decode()
    assert "data-theme" not in html
    assert client.get("/theme").status_code == 405


def test_pages_are_compressed_and_the_api_is_not(db: None) -> None:
    headers = {"Accept-Encoding": "gzip"}
    assert Client().get("/", headers=headers).headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in Client().get("/api/v1/openapi.json", headers=headers).headers

"""What publishers write is shown as text and never acts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.skill import RENDERED_MAX_CHARACTERS, TAGS, render_skill

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x]( JaVaScRiPt:alert(1))",
    '<https://evil.example/"onmouseover=alert(1)>',
    "[a]: javascript:alert(1)\n\n[a]",
    "<style>body{display:none}</style>",
    "<iframe src=//evil.example></iframe>",
    "<svg/onload=alert(1)>",
    "<form action=//evil.example><input></form>",
    '<a href="//evil.example" style="position:fixed">x</a>',
    "`<script>`\n\n```html\n<script>alert(1)</script>\n```",
    "| a |\n|---|\n| <b onclick=alert(1)>x</b> |",
]
OPENING = re.compile(r"<([a-zA-Z][^\s/>]*)([^>]*)>")


def assert_inert(html: str) -> None:
    for tag, attributes in OPENING.findall(html):
        assert tag in TAGS, html
        names = set(re.findall(r"\s([a-zA-Z-]+)=", attributes))
        assert names <= {"href", "title", "rel", "start"}, html
        for link in re.findall(r'href="([^"]*)"', attributes):
            assert link.startswith(("https://", "http://", "mailto:")), html


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_text_is_inert(body: str) -> None:
    html = render_skill(body)
    assert_inert(html)
    assert "<script" not in html.lower()


@given(st.lists(st.sampled_from([*HOSTILE, "# x\n", "> ", "- ", "**", "\n\n", "<", ">", '"', "`"]), max_size=8))
def test_no_mixture_of_hostile_texts_acts(parts: list[str]) -> None:
    assert_inert(render_skill("".join(parts)))


def test_headings_start_below_the_page_and_the_title_is_not_repeated() -> None:
    html = render_skill("# Rotate it\n\n## Before\n\ntext\n\n###### deep", "Rotate it")
    assert html == "<h4>Before</h4>\n<p>text</p>\n<h6>deep</h6>\n"


def test_links_leave_with_no_reference_and_relative_ones_lead_nowhere() -> None:
    html = render_skill("[out](https://example.com) [file](references/more.md)")
    assert html == (
        '<p><a href="https://example.com" rel="noopener noreferrer nofollow ugc">out</a> '
        '<a rel="noopener noreferrer nofollow ugc">file</a></p>\n'
    )


def test_front_matter_is_no_text() -> None:
    assert render_skill("---\nname: x\n---\n\nHello") == "<p>Hello</p>\n"


def test_only_so_much_is_rendered() -> None:
    assert len(render_skill("a" * (RENDERED_MAX_CHARACTERS + 10))) == RENDERED_MAX_CHARACTERS + len("<p></p>\n")


def test_japanese_stays_as_it_is() -> None:
    assert render_skill("証明書を**交換**する。") == "<p>証明書を<strong>交換</strong>する。</p>\n"

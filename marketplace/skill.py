"""SKILL.md as HTML that is safe to show: no scripts, no styles, no pictures from elsewhere, no raw HTML."""

from __future__ import annotations

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

RENDERED_MAX_CHARACTERS = 100_000
TAGS = frozenset(
    ("a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li")
    + ("ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul")
)
_markdown = (
    MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"]).disable("image")
)


def render_skill(body: str, title: str = "") -> SafeString:
    """Headings start at level 3, below the page's own; a first heading that repeats ``title`` is left out."""
    tokens = _markdown.parse(_without_front_matter(body)[:RENDERED_MAX_CHARACTERS])
    if _repeats_title(tokens, title):
        tokens = tokens[3:]
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    clean = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={"a": {"href", "title"}},
        attribute_filter=_absolute_links_only,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow ugc",
    )
    return mark_safe(clean)  # noqa: S308  # nh3 has just made it safe; raw HTML was escaped before that


def _without_front_matter(body: str) -> str:
    if body.startswith("---\n") and "\n---" in body[4:]:
        return body.split("\n---", 1)[1].lstrip("-").lstrip("\n")
    return body


def _repeats_title(tokens: list[Token], title: str) -> bool:
    return (
        len(tokens) >= 3
        and tokens[0].type == "heading_open"
        and tokens[1].content.strip().casefold() == title.strip().casefold()
    )


def _absolute_links_only(tag: str, attribute: str, value: str) -> str | None:
    # A relative link means a file of the package; on this site it would lead somewhere else.
    if attribute == "href" and not value.startswith(("https://", "http://", "mailto:")):
        return None
    return value

"""Every page: accessible in both themes, light, still, inside the screen, few queries, nothing in the console."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Page

from tests.browser.conftest import PATIENCE_SECONDS, WIDTHS, Site, listen
from tests.browser.table import ELSEWHERE, NO_PAGES, VISITS, Visit

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

QUERIES_MAX = 12
TRANSFERRED_MAX = 150_000
OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .map((element) => `${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 40)}`)
    .concat(`the page is ${document.documentElement.scrollWidth} wide`);
}"""


def names_of(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        path = f"{prefix}{entry.pattern}"
        if path.startswith(ELSEWHERE) and entry.pattern is not None and not getattr(entry, "name", None):
            continue
        if isinstance(entry, URLResolver):
            yield from names_of(entry, path)
        elif isinstance(entry, URLPattern):
            yield str(entry.name or path)


def test_every_address_is_in_a_table() -> None:
    listed = {visit.name for visit in VISITS} | set(NO_PAGES)
    known = set(names_of(get_resolver()))
    assert known - listed == set()
    assert set(NO_PAGES) - known == set()
    assert listed - known == {"absent", "forbidden"}


@dataclass
class Tab:
    """One person's, for page after page. It keeps nothing of what it loads: each page weighs what a first visit does."""

    page: Page
    faults: list[str]
    transferred: Callable[[], int]

    def clear(self) -> None:
        """As a new one would be, and without what was heard of the page before."""
        self.page.set_viewport_size({"width": WIDTHS[1], "height": 900})
        self.page.emulate_media(color_scheme="light")
        self.page.context.clear_cookies(name="django_language")
        self.faults.clear()


@pytest.fixture(scope="module")
def tab_of(site: Site) -> Iterator[Callable[[str], Tab]]:
    """``tab_of(who)``: a browser that has worked for a while is twice as quick as a new one for every page."""
    tabs: dict[str, Tab] = {}

    def of(who: str) -> Tab:
        if who not in tabs:
            page = site.context(site.world.people[who]).new_page()
            tabs[who] = Tab(page, *listen(page, keeps_files=False))
        return tabs[who]

    yield of
    for tab in tabs.values():
        tab.page.context.close()


@pytest.mark.parametrize("visit", VISITS, ids=str)
def test_a_page(site: Site, tab_of: Callable[[str], Tab], visit: Visit) -> None:
    path = site.world.address(visit.path)
    client = site.client(site.world.people[visit.who])
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == visit.status
    assert len(queries) <= QUERIES_MAX, [query["sql"][:160] for query in queries]

    tab = tab_of(visit.who)
    page = tab.page
    tab.clear()
    before = tab.transferred()
    answer = page.goto(path, wait_until="load")
    assert answer is not None
    assert answer.status == visit.status
    assert 0 < tab.transferred() - before <= TRANSFERRED_MAX
    assert page.evaluate("document.documentElement.lang") == "en"
    page.evaluate(AXE_SCRIPT)
    assert violations(page) == []
    assert page.evaluate("window.keikenSeen") == {"moved": [], "violations": []}
    assert overflowing(page) == {}
    page.emulate_media(color_scheme="dark")
    assert violations(page, {"runOnly": ["color-contrast"]}) == []
    page.context.add_cookies([{"name": "django_language", "value": "ja", "url": site.url}])
    page.goto(path, wait_until="load")
    assert page.evaluate("document.documentElement.lang") == "ja"
    assert overflowing(page) == {}
    expected = 0 if visit.status == 200 else 2
    assert tab.faults[expected:] == []


def violations(page: Page, options: dict[str, Any] | None = None) -> list[str]:
    """What axe-core, which the page has to know by now, objects to: rule, place, and what it saw there."""
    found = page.evaluate(
        "(options) => axe.run(options).then((seen) => seen.violations)",
        {"resultTypes": ["violations"], **(options or {})},
    )
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for rule in found
        for node in rule["nodes"]
    ]


def overflowing(page: Page) -> dict[int, list[str]]:
    """By width: what sticks out of the screen to the right."""
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if outside := page.evaluate(OVERFLOWING):
            found[width] = outside
    return found


def test_static_files_are_compressed_named_by_their_content_and_kept_for_ever(site: Site) -> None:
    html = httpx.get(site.url, timeout=PATIENCE_SECONDS).text
    names = re.findall(r'(?:href|src)="(/static/keiken\.[0-9a-f]{12}\.(?:css|js))"', html)
    assert len(names) == 2
    for name in names:
        answer = httpx.get(f"{site.url}{name}", timeout=PATIENCE_SECONDS)
        assert answer.headers["Cache-Control"] == "max-age=315360000, public, immutable"
        assert answer.headers["Content-Encoding"] == "gzip"
    assert httpx.get(f"{site.url}/static/keiken.css", timeout=PATIENCE_SECONDS).status_code == 404

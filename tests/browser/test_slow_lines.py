"""A page that comes over a slow line piece by piece: it is shown when it is there, and nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from django.conf import settings
from playwright.sync_api import Page

from tests.browser.conftest import PATIENCE_SECONDS, Site

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PIECES = 12
PAUSE_SECONDS = 0.1


@contextmanager
def slow_line(url: str) -> Iterator[str]:
    """The site's pages in twelve pieces, what they load at once."""

    class Line(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cookies = {"Cookie": self.headers.get("Cookie", "")}
            answer = httpx.get(f"{url}{self.path}", headers=cookies, timeout=PATIENCE_SECONDS)
            kind = answer.headers["Content-Type"]
            self.send_response(answer.status_code)
            self.send_header("Content-Type", kind)
            self.end_headers()
            pieces = PIECES if kind.startswith("text/html") else 1
            size = len(answer.content) // pieces + 1
            for start in range(0, len(answer.content), size):
                self.wfile.write(answer.content[start : start + size])
                self.wfile.flush()
                time.sleep(PAUSE_SECONDS if pieces > 1 else 0)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Line)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("path", ["/organizations/acme", "/browse?q=greeting", "/experiences/acme/write-greeting"])
def test_nothing_moves_while_a_page_arrives(site: Site, open_page: Callable[..., Page], path: str) -> None:
    publisher = site.world.people["publisher"]
    assert publisher is not None
    page = open_page()
    with slow_line(site.url) as url:
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": site.world.sessions[publisher.pk], "url": url}]
        )
        page.goto(f"{url}{path}", wait_until="load")
        assert page.locator("footer").is_visible()
        assert page.evaluate("window.keikenSeen.moved") == []

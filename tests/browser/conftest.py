"""A real browser before a real web server: Debian's chromium, granian, PostgreSQL, and a lively little market."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from accounts.models import Person
from marketplace.supervisor import Stack
from tests.browser.world import World, build_world
from tests.serving import stack_environ

CHROMIUM = ("chromium-headless-shell", "chromium")
"""The first that is there; without windows it is a sixth cheaper, and the same otherwise."""
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTHS = (390, 1024, 1600)
PATIENCE_SECONDS = 60
"""For a page or an answer of a busy machine. It costs time only where something does not come."""
WATCH = """
  window.keikenSeen = {moved: [], violations: []};
  const place = (box) => [box.x, box.y, box.width, box.height].join(" ");
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries().filter((entry) => !entry.hadRecentInput)) {
      const parts = entry.sources.map(({node, previousRect, currentRect}) =>
        `${node?.parentElement?.tagName} > ${node?.nodeName}.${node?.className}: ${place(previousRect)} to ${place(currentRect)}`);
      window.keikenSeen.moved.push(`${entry.value}: ${parts.join(", ")}`);
    }
  }).observe({type: "layout-shift", buffered: true});
  document.addEventListener("securitypolicyviolation", (event) => {
    window.keikenSeen.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
  });
"""
"""Runs before each document: what moved after it was painted, and what the content policy stopped."""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for the package. Its tests may use the ORM although Playwright runs a loop in their thread."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    assert program, f"The browser tests need one of {CHROMIUM}: run 'make browser'"
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
        connections.close_all()  # of this loop; nobody else could, and their database is to be dropped
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@dataclass
class Site:
    """The web server before the tests' database, and who looks at it."""

    url: str
    world: World
    chromium: Browser
    stack: Stack

    def start_one_worker(self) -> None:
        self.stack.start_worker("worker", "verify,attest,default", concurrency=2, with_beat=True)

    def context(self, person: Person | None = None, **options: Any) -> BrowserContext:
        """A browser of its own, signed in as the person; close it after use."""
        context = self.chromium.new_context(base_url=self.url, **options)
        context.add_init_script(WATCH)
        if person is not None:
            session = self.world.sessions[person.pk]
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.url}])
        return context

    def client(self, person: Person | None = None) -> Client:
        """Django's test client for the same person; it acts for the first organization, as the browser does."""
        client = Client()
        if person is not None:
            client.force_login(person)
        return client


@contextmanager
def running(chromium: Browser, port: int, logs: Path) -> Iterator[Site]:
    with Stack(logs, stack_environ(port)) as stack:
        yield Site(f"http://127.0.0.1:{port}", build_world(), chromium, stack)


@pytest.fixture(scope="module")
def site(
    django_db_blocker: Any, web: int, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A market that its module only looks at. What a test itself writes is rolled back and not seen by the server.

    Its modules are marked ``django_db``: pytest-django makes the database only where some test is.
    """
    with django_db_blocker.unblock():
        try:
            with running(chromium, web, tmp_path_factory.mktemp("logs")) as site:
                yield site
        finally:
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def live_site(transactional_db: None, web: int, chromium: Browser, tmp_path: Path) -> Iterator[Site]:
    """A market of the test's own, which it changes; the workers it needs it starts itself."""
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    with running(chromium, web, tmp_path / "logs") as site:
        yield site


@pytest.fixture
def open_page(request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """``open_page(person, width=390, …)``: a page in a browser of its own, closed after the test."""
    site: Site = request.getfixturevalue("live_site" if "live_site" in request.fixturenames else "site")
    opened: list[BrowserContext] = []

    def open_one(person: Person | None = None, *, width: int = 1024, **options: Any) -> Page:
        context = site.context(person, viewport={"width": width, "height": 900}, **options)
        opened.append(context)
        return context.new_page()

    yield open_one
    for context in opened:
        context.close()


def _left_behind(request: Request) -> bool:
    """Whoever goes on does not wait for what the page was still loading. A document is what they went for."""
    return request.failure == "net::ERR_ABORTED" and request.resource_type != "document"


def _failure(request: Request) -> str:
    return f"{request.url} {request.failure}"


def listen(page: Page, *, keeps_files: bool = True) -> tuple[list[str], Callable[[], int]]:
    """The page's troubles as they come, and the bytes of its answers as they went over the wire."""
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: None if _left_behind(request) else faults.append(_failure(request)))
    sizes: list[float] = []
    network = page.context.new_cdp_session(page)
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": not keeps_files})
    return faults, lambda: int(sum(sizes))

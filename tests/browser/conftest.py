"""A real browser before a real web server: Debian's chromium, granian, PostgreSQL, and a lively little market."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from accounts.models import Person
from marketplace.supervisor import Stack, free_port
from tests.browser.world import World, build_world
from tests.journeys.conftest import stack_environ

CHROMIUM = "chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTHS = (390, 1024, 1600)
WATCH = """
  window.keikenSeen = {shift: 0, violations: []};
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.keikenSeen.shift += entry.value;
  }).observe({type: "layout-shift", buffered: true});
  document.addEventListener("securitypolicyviolation", (event) => {
    window.keikenSeen.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
  });
"""
"""Runs before each document: what moved after it was painted, and what the content policy stopped."""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for the package. Its tests may use the ORM although Playwright runs a loop in their thread."""
    program = shutil.which(CHROMIUM)
    assert program, "The browser tests need chromium: run 'make browser', or on Debian: sudo apt-get install chromium"
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
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


@pytest.fixture(scope="module")
def site(
    django_db_setup: None, django_db_blocker: Any, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A market that its module only looks at. What a test itself writes is rolled back and not seen by the server.

    Its modules are marked ``django_db``: pytest-django makes the database only where some test is.
    """
    with django_db_blocker.unblock():
        port = free_port()
        environ = {**stack_environ(), "KEIKEN_PORT": str(port)}
        environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
        world = build_world()
        try:
            with Stack(tmp_path_factory.mktemp("logs"), environ) as stack:
                stack.start_web("127.0.0.1", port)
                yield Site(f"http://127.0.0.1:{port}", world, chromium)
        finally:
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def open_page(site: Site) -> Iterator[Callable[..., Page]]:
    """``open_page(person, width=390, …)``: a page in a browser of its own, closed after the test."""
    opened: list[BrowserContext] = []

    def open_one(person: Person | None = None, *, width: int = 1024, **options: Any) -> Page:
        context = site.context(person, viewport={"width": width, "height": 900}, **options)
        opened.append(context)
        return context.new_page()

    yield open_one
    for context in opened:
        context.close()


def evidence(folder: Path, page: Page, name: str) -> None:
    """A picture of a page that a test found wanting."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)

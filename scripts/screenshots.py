"""Pictures of the main pages for docs/screenshots: three widths, both themes, both languages.

Shows what ``make demo`` published, with a web server of its own on the same data. Needs ``make browser``.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "docs" / "screenshots"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HEIGHTS = {390: 844, 1024: 768, 1600: 1000}
TALLEST = 3200
"""Longer pages are cut below: their top is what a reader of the documentation looks for."""
COLORS = 160
LIMIT_BYTES = 6_000_000


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    sys.path.insert(0, str(PROJECT))
    django.setup()

    from django.conf import settings
    from django.core.management import call_command

    from marketplace.management.commands.services import start_embedded
    from marketplace.supervisor import Stack, free_port

    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if program is None:
        sys.exit("make screenshots needs chromium: run 'make browser'")
    start_embedded(settings.KEIKEN)
    call_command("migrate", verbosity=0)
    wanted = list(pictures())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    port = free_port()
    environ = {**os.environ, "KEIKEN_PORT": str(port)}
    with Stack(settings.KEIKEN.data_dir / "logs", environ) as stack, sync_playwright() as playwright:
        stack.start_web("127.0.0.1", port)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for name, path, session, width, theme, language in wanted:
            data = picture(browser, f"http://127.0.0.1:{port}", path, session, width, theme, language)
            file = FOLDER / f"{name}-{width}-{theme}-{language}.png"
            file.write_bytes(data)
            print(f"{file.relative_to(PROJECT)}  {len(data) // 1000} kB")
        browser.close()
    total = sum(file.stat().st_size for file in FOLDER.glob("*.png"))
    print(f"{total / 1e6:.1f} MB in all")
    if total > LIMIT_BYTES:
        sys.exit("That is more than a repository should carry.")


def pictures() -> Iterator[tuple[str, str, str, int, str, str]]:
    """Name, path, session, width, theme and language of each picture."""
    from experiences.models import Experience, Verification

    shown = Experience.objects.filter(visibility="public", name="rotate-tls-certificate").select_related("organization")
    experience = shown.first()
    if experience is None:
        sys.exit("Nothing is published here yet: run 'make demo' first.")
    proof = Verification.objects.filter(version=experience.latest, state="done").order_by("pk").first()
    address = f"/experiences/{experience}"
    owner, organization = session_of(experience), experience.organization.slug
    pages = {
        "home": ("/", ""),
        "search": ("/browse?q=certificate", ""),
        "experience": (address, ""),
        "version": (f"{address}/{experience.latest.version}", ""),
        "publisher": (f"/publishers/{organization}", ""),
        "organization": (f"/organizations/{organization}/agents", owner),
        "sales": (f"/organizations/{organization}/sales", owner),
    }
    if proof is not None:
        pages["verification"] = (f"{address}/{experience.latest.version}/verifications/{proof.pk}", "")
    for name, (path, session) in pages.items():
        yield name, path, session, 390, "light", "en"
        yield name, path, session, 1024, "dark", "en"
        yield name, path, session, 1600, "light", "en"
        if name in ("home", "search", "experience"):
            yield name, path, session, 390, "dark", "ja"
            yield name, path, session, 1600, "dark", "ja"


def session_of(experience: Any) -> str:
    """The key of a session of the publisher's owner."""
    from django.conf import settings
    from django.test import Client

    owner = experience.organization.memberships.filter(role="owner").select_related("person").first().person
    client = Client()
    client.force_login(owner)
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def picture(browser: Browser, site: str, path: str, session: str, width: int, theme: str, language: str) -> bytes:
    cookies = {"django_language": language, **({"sessionid": session} if session else {})}
    viewport = {"width": width, "height": HEIGHTS[width]}
    context = browser.new_context(base_url=site, viewport=viewport, color_scheme=theme, reduced_motion="reduce")
    context.add_cookies([{"name": name, "value": value, "url": site} for name, value in cookies.items()])
    page = context.new_page()
    answer = page.goto(path, wait_until="load")
    if answer is None or answer.status != 200:
        sys.exit(f"{path} answers {answer and answer.status}")
    taken = page.screenshot(full_page=True)
    context.close()
    return smaller(taken)


def smaller(png: bytes) -> bytes:
    """The picture with few colors, cut where it is very long: pages are flat, and nobody misses the others."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, TALLEST)))
    output = io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(output, "PNG", optimize=True)
    return output.getvalue()


if __name__ == "__main__":
    main()

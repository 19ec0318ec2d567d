"""The program that the page of an experience shows does what the page says: pull, check, replay, count."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests import factories
from tests.journeys.conftest import Site
from tests.journeys.test_main_job import all_proven, publish_free_offer, wait_until
from tests.packages import write_package

pytestmark = [pytest.mark.slow]


def test_the_program_on_the_page_replays_it(site: Site, tmp_path: Path) -> None:
    acme = site.laptop("acme", factories.agent_key(factories.organization("acme")).secret)
    globex = site.laptop("globex", factories.agent_key(factories.organization("globex")).secret)
    site.start_one_worker()
    package = write_package(
        tmp_path / "write-greeting",
        parameters={"who": {"type": "string", "examples": ["Keiko"]}},
        scenarios=[{"name": "greets", "environments": ["debian-12"], "parameters": {"who": "Keiko"}}],
    )
    acme.keiken("publish", str(package))
    wait_until(all_proven, "the greeting is proven")
    publish_free_offer(acme, site, "write-greeting")
    globex.keiken("accept", "acme/write-greeting", "--yes")

    page = httpx.get(f"{site.url}/experiences/acme/write-greeting", timeout=60).text
    [program] = [
        html.unescape(text) for text in re.findall(r"<code>(.*?)</code>", page, re.S) if "from keiken.client" in text
    ]
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=globex.folder,
        env=globex.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "succeeded {}\n"), done.stderr

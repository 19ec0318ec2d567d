"""``manage.py demo``: the main job on the real examples, as a readable story."""

from __future__ import annotations

import sys
import time
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from keiken.sandbox import environments
from marketplace.config import Configuration
from marketplace.demo.console import Storyteller
from marketplace.demo.story import Demo, tell
from marketplace.management.commands.serve import start_site
from marketplace.management.commands.services import start_embedded
from marketplace.supervisor import Stack, SupervisorError, free_port


class Command(BaseCommand):
    help = "Run the main job end to end on the real examples; exit 0 only if every line is as it must be."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        configuration: Configuration = settings.KEIKEN
        started = time.monotonic()
        teller = Storyteller()
        teller.console.print("[bold]Keiken[/bold] · finding a way is expensive; repeating a proven one is not.")
        teller.chapter("0 · Getting ready")
        start_embedded(configuration)
        call_command("migrate", verbosity=0)
        teller.holds(True, "PostgreSQL and Valkey run, the tables are there")
        self._build_environments(teller, configuration)
        try:
            with Stack(configuration.data_dir / "logs") as stack:
                url = self._site(stack, configuration)
                teller.holds(True, f"web, workers and beat run at {url}")
                code = tell(Demo(teller, url), check_alive=stack.check)
        except SupervisorError as error:
            raise CommandError(str(error)) from error
        seconds = time.monotonic() - started
        teller.console.print(f"[dim]{seconds:.0f} s. Look around yourself: make serve[/dim]")
        sys.exit(code)

    def _site(self, stack: Stack, configuration: Configuration) -> str:
        """The site of a running ``make serve`` on this data, or one of our own on a free port."""
        if _answers(configuration.site_url):
            return configuration.site_url
        port = free_port()
        start_site(stack, "127.0.0.1", port)
        return f"http://127.0.0.1:{port}"

    def _build_environments(self, teller: Storyteller, configuration: Configuration) -> None:
        names = configuration.environment_names
        with teller.console.status(f"building {', '.join(names)} from the system's packages (once)"):
            missing = {row.name for row in environments.available() if not row.built}
            environments.build_each([name for name in names if name in missing])
            there = [environments.get(name) for name in names]
        for environment in there:
            teller.holds(True, f"environment {environment.name} {environment.digest[:19]}…")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False

"""``manage.py services start|stop|status``: the embedded database and broker."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from marketplace import embedded
from marketplace.config import Configuration


class Command(BaseCommand):
    help = "Start, stop or show the embedded PostgreSQL and Valkey."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["start", "stop", "status"])

    def handle(self, *args: Any, **options: Any) -> None:
        configuration: Configuration = settings.KEIKEN
        if options["what"] == "start":
            start_embedded(configuration)
        elif options["what"] == "stop":
            embedded.stop(configuration.data_dir)
        for name, state in embedded.status(configuration.data_dir).items():
            self.stdout.write(f"{name}: {state}")


def start_embedded(configuration: Configuration) -> None:
    """Start the parts for which no real server is configured."""
    embedded.start(
        configuration.data_dir,
        postgres=not configuration.database_url,
        valkey=not configuration.redis_url,
    )

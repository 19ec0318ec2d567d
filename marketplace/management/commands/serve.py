"""``manage.py serve``: the whole site on this machine, until Ctrl-C."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from marketplace.config import Configuration
from marketplace.management.commands.services import start_embedded
from marketplace.supervisor import Stack, SupervisorError


class Command(BaseCommand):
    help = "Start web, workers and beat with the embedded services; print the address and the demo logins."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        configuration: Configuration = settings.KEIKEN
        start_embedded(configuration)
        call_command("migrate", verbosity=0)
        try:
            with Stack(configuration.data_dir / "logs") as stack:
                start_site(stack, configuration.host, configuration.port)
                self._greet(configuration)
                while True:
                    time.sleep(1)
                    stack.check()
        except SupervisorError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("\nStopped. The embedded database goes on running: make stop ends it.")

    def _greet(self, configuration: Configuration) -> None:
        from marketplace.demo.parties import logins

        self.stdout.write(self.style.SUCCESS(f"Keiken is at {configuration.site_url}"))
        if known := logins():
            for login in known:
                self.stdout.write(f"  {login.email}  password: {login.password}  ({login.what})")
        else:
            self.stdout.write("  Run 'make demo' once for example experiences and demo logins, or sign up.")
        self.stdout.write(f"  Logs: {configuration.data_dir / 'logs'}. Ctrl-C stops.")


def start_site(stack: Stack, host: str, port: int) -> None:
    """Web, a worker that proves, a worker that signs (the only one to read the key), and beat."""
    stack.start_web(host, port)
    stack.start_worker("verify", "verify", concurrency=2)
    stack.start_worker("attest", "attest,default,outgoing")
    stack.start_beat()

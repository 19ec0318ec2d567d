"""``manage.py configuration``: every variable an operator can set."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from marketplace.config import Configuration

SECRET = ("secret", "password", "url", "api_key")


class Command(BaseCommand):
    help = "Print every environment variable with its meaning and its present value."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        configuration: Configuration = settings.KEIKEN
        for name, field in Configuration.model_fields.items():
            value = getattr(configuration, name)
            shown = "(set)" if value and any(word in name for word in SECRET) and name != "public_url" else value
            self.stdout.write(self.style.SUCCESS(f"{field.alias}") + f" = {shown if shown != '' else '(empty)'}")
            self.stdout.write(f"    {field.description}")

"""``manage.py embeddings``: how many listed texts have a vector, and why others have none."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM
from experiences.embedding import space
from experiences.selectors import embedding_overview
from experiences.services.retry_embeddings import retry_embeddings


class Command(BaseCommand):
    help = "Show how many listed texts have a vector of the present model and what keeps others from one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retry", action="store_true", help="Make what waits due at once.")
        parser.add_argument("--json", action="store_true", help="The same as one JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not space():
            raise CommandError(_("No embedding endpoint is configured. Set KEIKEN_EMBEDDING_URL."))
        again = retry_embeddings(actor=SYSTEM) if options["retry"] else None
        overview = embedding_overview()
        if options["json"]:
            self.stdout.write(json.dumps({**overview, "retried": again}, indent=2))
            return
        if again is not None:
            self.stdout.write(_("{n} texts are tried again.").format(n=again))
        self.stdout.write(_("{space}: {made} texts have a vector, {waiting} wait for one.").format(**overview))
        for word, count in overview["trouble"].items():
            self.stdout.write(f"    {word}: {count}")

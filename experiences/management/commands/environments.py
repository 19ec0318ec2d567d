"""``manage.py environments list|build``: the root file systems that this machine proves experiences in."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from keiken.errors import KeikenError
from keiken.sandbox import environments


class Command(BaseCommand):
    help = "List the environments this machine knows, or build those of KEIKEN_ENVIRONMENTS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="Name, digest and whether it is built.")
        build = actions.add_parser("build", help="Build environments that are not built yet.")
        build.add_argument("names", nargs="*", help="All of KEIKEN_ENVIRONMENTS when none is named.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            for row in environments.available():
                self.stdout.write(f"{row.name}  {row.digest[:19] if row.built else 'not built'}  {row.description}")
            return
        for name in options["names"] or settings.KEIKEN.environment_names:
            try:
                built = environments.build(name, self.stdout.write)
            except KeikenError as error:
                raise CommandError(f"{error.message} {error.advice}".strip()) from error
            self.stdout.write(f"{built.name}  {built.digest[:19]}")

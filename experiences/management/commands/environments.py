"""``manage.py environments list|build|probe``: the root file systems that this machine proves experiences in."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from keiken.errors import KeikenError
from keiken.sandbox import environments


class Command(BaseCommand):
    help = "List the environments this machine knows, build those of KEIKEN_ENVIRONMENTS, or ask them what they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="Name, digest and whether it is built.")
        build = actions.add_parser("build", help="Build environments that are not built yet.")
        build.add_argument("names", nargs="*", help="All of KEIKEN_ENVIRONMENTS when none is named.")

        probe = actions.add_parser("probe", help="Facts, asked anew from inside built environments.")
        probe.add_argument("names", nargs="*", help="All of KEIKEN_ENVIRONMENTS when none is named.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "list":
                for row in environments.available():
                    self.stdout.write(f"{row.name}  {row.digest[:19] if row.built else 'not built'}  {row.description}")
                return
            names = options["names"] or settings.KEIKEN.environment_names
            if options["action"] == "build":
                for built in environments.build_each(names, self.stdout.write):
                    self.stdout.write(f"{built.name}  {built.digest[:19]}")
            else:
                for name in names:
                    self._probe(name)
        except KeikenError as error:
            raise CommandError(f"{error.message} {error.advice}".strip()) from error

    def _probe(self, name: str) -> None:
        probed = environments.probe(name)
        self.stdout.write(f"{probed.name}  {probed.digest[:19]}")
        for fact, value in sorted(probed.facts.items()):
            self.stdout.write(f"  {fact}: {value}")

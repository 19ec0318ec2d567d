"""``manage.py trace-leak FILE``: whose copy a leaked package was."""  # noqa: N999  # Django names the command by its file

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from licensing.services.mark_copy import trace_leak


class Command(BaseCommand):
    help = "Name the license that a leaked archive, or a SKILL.md of it, was given under."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The archive, or the text of its SKILL.md.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        found = trace_leak(content)
        if not found:
            raise CommandError("No license's marks are in it: it is unmarked, rewritten, or not from here.")
        for trace in found:
            if trace.by == "header":
                how = "only its header says so, and that anybody can write"
            else:
                accident = f"1 time in {1 / trace.chance:,.0f}"
                how = f"{trace.agreeing} of {trace.lines} marked lines agree; by accident {accident}"
            self.stdout.write(f"{trace.grant.pk} {trace.grant.organization.slug} {trace.version}: {how}")

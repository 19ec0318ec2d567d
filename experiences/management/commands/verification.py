"""``manage.py verification status``: what waits to be proven, what runs, and why something waits."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from experiences.selectors import verification_overview


class Command(BaseCommand):
    help = "Show what waits to be proven, what runs, what is not signed yet, and why something waits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        status = actions.add_parser("status", help="Counts, and the rows that wait with their notes.")
        status.add_argument("--json", action="store_true", help="The same as one JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:
        overview = verification_overview()
        if options["json"]:
            self.stdout.write(json.dumps(overview, indent=2, default=str))
            return
        counts = ", ".join(f"{count} {name}" for name, count in overview["counts"].items())
        self.stdout.write(counts)
        for row in overview["open"]:
            held = f"held by {row['worker']} until {row['lease_until']:%H:%M:%S}" if row["lease_until"] else ""
            words = (row["version"], f"in {row['environment']}:", row["state"], f"(attempts: {row['attempts']})", held)
            self.stdout.write(" ".join(filter(None, words)))
            if row["operator_note"]:
                self.stdout.write(f"    {row['operator_note']}")

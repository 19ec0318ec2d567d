"""``manage.py reviewers list|add|remove``: who of the operator's staff decides complaints."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.domain.refusals import Refusal
from marketplace.services.name_reviewer import name_reviewer, reviewers


class Command(BaseCommand):
    help = "List the reviewers of complaints, name one, or take the role back. They must be staff."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("list", help="Everybody with the role.")
        shown.add_argument("--json", action="store_true", help="The same as one JSON document.")
        for name, told in (("add", "Give somebody the role."), ("remove", "Take the role back.")):
            actions.add_parser(name, help=told).add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            found = [str(person.email) for person in reviewers().user_set.order_by("email")]
            self.stdout.write(json.dumps({"reviewers": found}) if options["json"] else "\n".join(found))
            return
        try:
            name_reviewer(email=options["email"], is_reviewer=options["action"] == "add")
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} {refusal.advice}") from None
        self.stdout.write("Done.")

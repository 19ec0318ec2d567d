"""``manage.py statements ORG --month 2026-11``: an organization's lines of the ledger as CSV."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organization
from licensing.domain.statements import month_named
from licensing.invoices import statement_sheet
from licensing.paper import pdf_of
from licensing.sold import statement_of


class Command(BaseCommand):
    help = "Print what the ledger says of an organization in one calendar month (UTC), as CSV."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", help="Its short name.")
        parser.add_argument("--month", required=True, help="Like 2026-11.")
        parser.add_argument("--pdf", metavar="FILE", default="", help="Write it there as PDF instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization '{options['organization']}'. Check its short name.")
        try:
            month = month_named(options["month"])
        except ValueError as error:
            raise CommandError("A month is written like 2026-11.") from error
        if options["pdf"]:
            Path(options["pdf"]).write_bytes(pdf_of(statement_sheet(organization, month)))
            self.stdout.write(options["pdf"])
        else:
            self.stdout.write(statement_of(organization, month), ending="")

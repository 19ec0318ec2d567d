"""``manage.py payouts``: what publishers are owed goes out; the operator says what the bank has transferred."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.actors import SYSTEM
from accounts.domain.refusals import Refusal
from licensing.domain.bookkeeping import in_words
from licensing.models import Payout
from licensing.services.pay_out import pay_out_all, record_payout


class Command(BaseCommand):
    help = "Begin payouts, list those that wait, record bank transfers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="Payouts that wait for their transfer.")
        actions.add_parser("run", help="Begin what is owed, as every night; Stripe transfers to connected accounts.")
        paid = actions.add_parser("paid", help="The bank has transferred one.")
        paid.add_argument("payout", help="The payout's id.")
        paid.add_argument("--reference", required=True, help="The bank's own.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "paid":
            try:
                self._show(record_payout(actor=SYSTEM, payout_id=options["payout"], reference=options["reference"]))
            except ValidationError:
                raise CommandError(f"'{options['payout']}' is no id of a payout: 'payouts list' shows them.") from None
            except Refusal as refusal:
                raise CommandError(f"{refusal.message} {refusal.advice}") from refusal
            return
        if options["action"] == "run":
            pay_out_all()
        for payout in Payout.objects.filter(state=Payout.State.BEGUN).select_related("organization"):
            self._show(payout)

    def _show(self, payout: Payout) -> None:
        amount = in_words(payout.amount_minor, payout.currency)
        self.stdout.write(f"{payout.pk} {payout.organization.slug} {amount} by {payout.driver}: {payout.state}")

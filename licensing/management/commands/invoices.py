"""``manage.py invoices``: the operator looks at orders by invoice and says what the bank has seen."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import SYSTEM
from accounts.domain.refusals import Refusal
from licensing.domain.bookkeeping import in_words
from licensing.models import Order
from licensing.services.record_invoice import record_invoice


class Command(BaseCommand):
    help = "List orders by invoice; record what was paid or paid back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="Orders that wait for payment.")
        for kind in ("paid", "refunded"):
            action = actions.add_parser(kind, help=f"An invoice was {kind}.")
            action.add_argument("number", type=int, help="The order's number.")
            action.add_argument("--reference", required=True, help="The bank's own; the same one counts once.")
            action.add_argument("--amount-minor", type=int, help="In the smallest unit; left out, the total.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            waiting = Order.objects.filter(driver="invoice", state=Order.State.OPEN).select_related("organization")
            for order in waiting.order_by("number"):
                total = in_words(order.total_minor, order.currency)
                self.stdout.write(f"{order} {order.organization.slug} {total} since {order.created_at:%Y-%m-%d}")
            return
        amount = options["amount_minor"]
        if amount is None:
            known = Order.objects.filter(number=options["number"]).first()
            amount = known.total_minor if known else 0
        try:
            order = record_invoice(
                actor=SYSTEM,
                number=options["number"],
                kind=options["action"],
                amount_minor=amount,
                reference=options["reference"],
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} {refusal.advice}") from refusal
        self.stdout.write(f"{order}: {order.state}")

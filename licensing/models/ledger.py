"""The ledger: double entry, append-only. The database refuses a transaction that does not balance."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from accounts.models import Organization


class LedgerTransaction(models.Model):
    """One movement of value; its lines add up to zero in each currency (a deferred trigger sees to it at commit)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200, unique=True)
    """What it tells of, once and for all: ``payment:<id>``, ``refund:<id>``, …; telling it twice is refused."""
    text = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.key


class LedgerLine(models.Model):
    """An amount on an account: positive is debit, negative is credit, in minor units."""

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="lines")
    account = models.CharField(max_length=40, db_index=True)
    """``cash``, ``disputed``, ``payable``, ``fees``, ``tax`` (see licensing.domain.bookkeeping)."""
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, related_name="ledger_lines")
    """Whose account it is; None for the platform's own."""
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["organization", "account", "currency"], name="ledger_by_account")]

    def __str__(self) -> str:
        return f"{self.account} {self.amount_minor} {self.currency}"

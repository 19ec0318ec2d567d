"""What publishers are paid out: their accounts at the provider, and each transfer."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from licensing.models.ledger import LedgerTransaction


class PublisherAccount(models.Model):
    """A publisher's connected account at Stripe. Without one, payouts are bank transfers that the operator makes."""

    organization = models.OneToOneField(Organization, on_delete=models.PROTECT, related_name="payout_account")
    external_id = models.CharField(max_length=100, unique=True)
    is_ready = models.BooleanField(default=False)
    """Stripe says that it may receive payouts."""
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.external_id


class Payout(models.Model):
    """Money that is owed to a publisher and goes out. Its ledger lines are written with it, before anything moves."""

    class State(models.TextChoices):
        BEGUN = "begun", _("begun")
        PAID = "paid", _("paid")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="payouts")
    transaction = models.OneToOneField(LedgerTransaction, on_delete=models.PROTECT, related_name="payout")
    driver = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    amount_minor = models.PositiveBigIntegerField()
    external_id = models.CharField(max_length=200, blank=True)
    """The transfer's id at Stripe, or the bank's reference."""
    state = models.CharField(max_length=5, choices=State.choices, default=State.BEGUN)
    created_at = models.DateTimeField(default=timezone.now)
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payout_of_something"),
            models.UniqueConstraint(
                fields=["organization", "currency"], condition=models.Q(state="begun"), name="payout_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} {self.currency} to {self.organization_id}"

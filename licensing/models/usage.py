"""Who uses a license, how often, and the tokens that say so offline."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Agent
from licensing.models.agreements import Grant


class Seat(models.Model):
    """An agent that uses a license with limited seats. Given up, it is free for another one."""

    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="taken_seats")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="seats")
    taken_at = models.DateTimeField(default=timezone.now)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["grant", "agent"], condition=Q(released_at__isnull=True), name="seat_taken_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent} on {self.grant_id}"


class CountedReplay(models.Model):
    """A successful replay that counts against a quota or is paid for. A receipt is counted once."""

    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="counted_replays")
    receipt_id = models.UUIDField(unique=True)
    """The replay's own id, made where it ran."""
    month = models.DateField()
    """The first day of the calendar month (UTC) it counts in."""
    at = models.DateTimeField(default=timezone.now)
    token = models.ForeignKey("LicenseToken", on_delete=models.PROTECT, null=True, blank=True, related_name="counted")
    """The token under which it ran, where a signed receipt tells of it; None where a report does."""
    number = models.PositiveIntegerField(null=True, blank=True)
    """The receipt's number under its token."""
    reported_at = models.DateTimeField(null=True, blank=True)
    """When the payment provider that bills it was told."""
    billed_in = models.ForeignKey("Order", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["grant", "month"], name="counted_by_month")]
        constraints = [models.UniqueConstraint(fields=["token", "number"], name="receipt_number_once")]

    def __str__(self) -> str:
        return str(self.receipt_id)


class LicenseToken(models.Model):
    """What an agent carries along to prove its license offline: ``keiken.trust.licenses.License`` as JSON.

    The web server never opens the signing key: the row waits until the signing worker has put its envelope there.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="tokens")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, blank=True, related_name="license_tokens")
    """None: for a person of the organization."""
    payload = models.JSONField()
    envelope = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.id)


class RevocationList(models.Model):
    """What was taken back while tokens of it are still about; each list has all of it, the newest one counts."""

    number = models.BigAutoField(primary_key=True)
    grants = models.JSONField()
    """License ids to the codes they are refused with."""
    envelope = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"list {self.number}"

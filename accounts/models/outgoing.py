"""What leaves the platform by itself: events for webhooks, and mails. Each row is the job; messages only nudge."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.people import Organization


class OutboxEvent(models.Model):
    """What happened, for one organization; written in the transaction in which it happened."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="outbox_events")
    kind = models.CharField(max_length=60)
    data = models.JSONField()
    at = models.DateTimeField(default=timezone.now, db_index=True)
    fanned_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["at"], name="outbox_waiting", condition=Q(fanned_out_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Webhook(models.Model):
    """An address of an organization's that is told of its events."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    kinds = ArrayField(models.CharField(max_length=60))
    sealed_secret = models.TextField()
    """The signing secret, encrypted with the site's own key: it must be there in the clear to sign with."""
    sealed_old_secret = models.TextField(blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    """Until then deliveries are signed with both, so that a receiver can change over at leisure."""
    is_active = models.BooleanField(default=True)
    disabled_reason = models.CharField(
        max_length=20,
        blank=True,
        choices=[
            ("person", _("switched off by a person")),
            ("failures", _("it did not answer for too long")),
            ("gone", _("it answered that it is gone (410)")),
        ],
    )
    failures = models.PositiveIntegerField(default=0)
    """Attempts in a row that failed."""
    created_by_name = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One event on its way to one webhook."""

    class State(models.TextChoices):
        WAITING = "waiting", _("on its way")
        DELIVERED = "delivered", _("delivered")
        GIVEN_UP = "given_up", _("given up")

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(OutboxEvent, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveIntegerField(null=True, blank=True)
    """The HTTP status of the last answer; None when there was none."""
    last_trouble = models.CharField(max_length=200, blank=True)
    last_seconds = models.FloatField(null=True, blank=True)
    last_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook", "event"], name="webhook_delivery_once"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "delivered", "given_up"]), name="webhook_delivery_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["not_before"], name="webhook_delivery_waiting", condition=Q(state="waiting")),
        ]
        verbose_name_plural = "webhook deliveries"

    def __str__(self) -> str:
        return f"{self.pk} {self.state}"

    @property
    def message_id(self) -> str:
        """The header ``webhook-id``: of the event, so that a receiver knows a repeated one."""
        return f"msg_{self.event_id.hex}"


class OutgoingMail(models.Model):
    """A mail that waits, or what is left of one: its text goes when it has been sent or given up."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["not_before"],
                name="outgoing_mail_waiting",
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.subject}"

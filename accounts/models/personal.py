"""What belongs to a person or waits for one: invitations, and exports of what is known of them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from accounts.models.people import Membership, Organization, Person


class Invitation(models.Model):
    """An organization asks somebody in, by e-mail. The link's secret is derived, not kept: see services.invitations."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Membership.Role.choices)
    generation = models.PositiveIntegerField(default=1)
    """Raised by each sending: only the last link works."""
    invited_by_id = models.BigIntegerField()
    invited_by_name = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                "organization",
                name="invitation_open_once",
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "publisher", "buyer", "viewer"]), name="invitation_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.role}"


class PersonExport(models.Model):
    """All that is known of a person, as a ZIP that only they may fetch, for a few days."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="exports")
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True, blank=True)
    content = models.BinaryField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person"], name="person_export_once")]

    def __str__(self) -> str:
        return str(self.pk)

"""Reports from the field."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organization
from experiences.models import Version


class ReplayReport(models.Model):
    """A replay as its replayer reported it. Submitting the same ``replay_id`` again changes nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    replay_id = models.UUIDField()
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="replay_reports")
    actor_kind = models.CharField(max_length=10)
    actor_name = models.CharField(max_length=100)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="replay_reports")
    outcome = models.CharField(max_length=12)
    code = models.CharField(max_length=60, blank=True)
    environment_name = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict)
    is_by_insiders = models.BooleanField(default=False)
    """Whether an owner of the organization belonged to the publisher when it was sent: it counts for no quality."""
    duration_seconds = models.FloatField(default=0)
    report = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["version", "-created_at"], name="replay_report_by_version")]
        constraints = [
            models.UniqueConstraint(fields=["organization", "replay_id"], name="replay_report_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["succeeded", "refused", "diverged", "failed", "error"]),
                name="replay_report_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} {self.outcome}"

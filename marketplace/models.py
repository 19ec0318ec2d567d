"""What joins the three: reports from the field, and ratings that rest on them."""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organization
from experiences.models import Experience, Version


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
    duration_seconds = models.FloatField(default=0)
    report = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "replay_id"], name="replay_report_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["succeeded", "refused", "diverged", "failed", "error"]),
                name="replay_report_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} {self.outcome}"


class Rating(models.Model):
    """One per organization and version line, only after a reported replay."""

    experience = models.ForeignKey(Experience, on_delete=models.PROTECT, related_name="ratings")
    major = models.PositiveIntegerField()
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="ratings")
    report = models.ForeignKey(ReplayReport, on_delete=models.PROTECT, related_name="ratings")
    stars = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    text = models.TextField(blank=True, max_length=4000)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experience", "major", "organization"], name="rating_once"),
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="rating_stars_one_to_five"),
        ]

    def __str__(self) -> str:
        return f"{self.stars} for {self.experience_id}"

"""When versions are proven again: what organizations ask for beyond what the operator asks for."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organization


class ReverificationPolicy(models.Model):
    """One organization's wishes, for all of its experiences or for those of one topic. None: nothing is said."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="reverification_policies")
    topic = models.CharField(max_length=64, blank=True)
    """Empty for the policy of the whole organization."""
    max_age_days = models.PositiveSmallIntegerField(null=True)
    on_new_environment = models.BooleanField(null=True)
    on_environment_change = models.BooleanField(null=True)
    diverging_reports = models.PositiveSmallIntegerField(null=True)
    request_minutes = models.PositiveIntegerField(null=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "topic"], name="reverification_policy_once"),
            models.CheckConstraint(
                condition=(Q(max_age_days__isnull=True) | Q(max_age_days__gt=0))
                & (Q(diverging_reports__isnull=True) | Q(diverging_reports__gt=0)),
                name="reverification_policy_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization.slug} {self.topic}".strip()


class AppliedPolicy(models.Model):
    """The rules a summary was made by, kept under their digest. The database refuses to change or delete them."""

    digest = models.CharField(max_length=71, primary_key=True)
    document = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.digest

"""Environment profiles: the facts of a machine under a name, kept so that nobody has to paste them again."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models.people import SLUG, Organization


class EnvironmentProfile(models.Model):
    """What an organization knows of one of its machines, or of one kind of machine."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="environment_profiles")
    name = models.CharField(max_length=64, validators=[SLUG])
    facts = models.JSONField()
    note = models.CharField(max_length=300, blank=True)
    saved_by_kind = models.CharField(max_length=10)
    saved_by_id = models.BigIntegerField()
    saved_by_name = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)
    saved_at = models.DateTimeField(default=timezone.now)
    """When its facts were last taken."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="environment_profile_name_once")]

    def __str__(self) -> str:
        return self.name

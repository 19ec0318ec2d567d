"""What a verification is at while it runs."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from experiences.models.farm import Verification


class ProgressLog(models.Model):
    """The last entries of the attempt that runs or ran last. Kept for a while after the verdict; the evidence stays."""

    verification = models.OneToOneField(
        Verification, on_delete=models.CASCADE, primary_key=True, related_name="progress"
    )
    attempt = models.PositiveIntegerField()
    entries = models.JSONField(default=list)
    """As ``experiences.domain.progress`` makes them."""
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.verification_id}, attempt {self.attempt}: {len(self.entries)} entries"

"""The quality of an experience as it was last worked out, with everything it was made of."""

from __future__ import annotations

from django.db import models
from django.db.models import F

from experiences.models import Experience


class QualityScore(models.Model):
    """Kept beside the experience so that a change of it locks nobody else.

    Whoever changes something that counts adds one to ``asked``; what is worked out says up to which of them it knew.
    So a change meanwhile is never lost, and working it out twice does no harm.
    """

    experience = models.OneToOneField(Experience, on_delete=models.CASCADE, primary_key=True, related_name="score")
    value = models.FloatField(null=True)
    """0 to 1; None until it is worked out first."""
    formula = models.PositiveSmallIntegerField(default=0)
    components = models.JSONField(default=list)
    """marketplace.domain.quality.Component, as documents."""
    asked = models.PositiveBigIntegerField(default=0)
    answered = models.PositiveBigIntegerField(default=0)
    computed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["asked"], condition=models.Q(asked__gt=F("answered")), name="quality_due"),
            models.Index(fields=["computed_at"], name="quality_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.experience_id}: {self.value}"

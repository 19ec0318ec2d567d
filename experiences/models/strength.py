"""How strong the checks of a version are, found out once in each environment."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from experiences.models.catalog import Version
from experiences.models.farm import Environment
from keiken.strength import Strength


class CheckStrength(models.Model):
    """What mutants showed. The database refuses to change or delete it: statements quote it."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="strengths")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    method = models.PositiveSmallIntegerField()
    """How mutants were made and judged (keiken.strength.METHOD)."""
    caught = models.PositiveIntegerField()
    n = models.PositiveIntegerField()
    record = models.JSONField()
    """Every mutant (keiken.strength.Strength)."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "environment", "method"], name="check_strength_once"),
            models.CheckConstraint(
                condition=models.Q(n__gt=0, caught__lte=models.F("n")), name="check_strength_is_a_share"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} in {self.environment}: {self.caught} of {self.n}"

    @property
    def strength(self) -> Strength:
        return Strength.model_validate(self.record)

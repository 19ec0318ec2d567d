"""What each run of a verification left to look at, compressed."""

from __future__ import annotations

from django.db import models

from experiences.models.farm import ScenarioResult


class EvidenceRecord(models.Model):
    """One run of one scenario, as ``keiken.replay.evidence.Evidence``. The database refuses to change or delete it."""

    result = models.ForeignKey(ScenarioResult, on_delete=models.PROTECT, related_name="evidence")
    run = models.PositiveSmallIntegerField(default=1)
    """1 for the run whose report stands with the result; 2 for the identical one that a failure asks for."""
    outcome_digest = models.CharField(max_length=71)
    content = models.BinaryField()
    """Its JSON, gzipped."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["result", "run"], name="evidence_run_once")]

    def __str__(self) -> str:
        return f"{self.result_id} run {self.run}: {self.outcome_digest[:19]}"

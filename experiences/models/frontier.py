"""Where the conditions of a version really end: the job of finding out, and what was found."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from experiences.models.catalog import Version
from experiences.models.farm import Environment
from keiken.frontier.record import Frontier


class FrontierRun(models.Model):
    """One exploration of one version around one environment. The row is the job; what is done stays."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="frontier_runs")
    environment_name = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(default=timezone.now)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=100, blank=True)
    operator_note = models.TextField(blank=True)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, null=True, related_name="+")
    record = models.JSONField(null=True)
    """keiken.frontier.Frontier."""
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "environment_name"], condition=~Q(state="done"), name="frontier_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state="done", record__isnull=False, finished_at__isnull=False)
                | (~Q(state="done") & Q(record__isnull=True)),
                name="frontier_done_has_record",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], condition=~Q(state="done"), name="frontier_queue")]

    def __str__(self) -> str:
        return f"{self.version} around {self.environment_name}: {self.state}"

    @property
    def frontier(self) -> Frontier:
        return Frontier.model_validate(self.record)

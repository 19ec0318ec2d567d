"""Where and when versions are proven, and what was seen."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from experiences.models.catalog import Version


class Environment(models.Model):
    """A root file system as a worker saw it: same name and digest, same files."""

    name = models.CharField(max_length=64)
    digest = models.CharField(max_length=71)
    facts = models.JSONField(default=dict)
    first_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "digest"], name="environment_once")]

    def __str__(self) -> str:
        return f"{self.name}@{self.digest[7:19]}"


class Verification(models.Model):
    """The job of proving one version in one environment. The row is the job; the message is a nudge."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")

    class Trigger(models.TextChoices):
        PUBLISH = "publish", _("published")
        DIVERGENCE = "divergence", _("a field report diverged")
        AGE = "age", _("the last verdict has aged")
        REQUEST = "request", _("requested")
        ENVIRONMENT = "environment", _("the environment has changed")
        NEW_ENVIRONMENT = "new_environment", _("a new environment")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="verifications")
    environment_name = models.CharField(max_length=64)
    """What the scenarios ask for; ``environment`` is what it then ran in."""
    trigger = models.CharField(max_length=16, choices=Trigger.choices)
    priority = models.SmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    is_trial = models.BooleanField(default=False)
    """In an environment that no scenario names: every scenario runs, and the verdict decides nothing."""
    valid_days = models.PositiveSmallIntegerField(null=True)
    """How long the verdict counts, by the policy when it was concluded; None for older ones: the operator's rule."""
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(default=timezone.now)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=100, blank=True)
    operator_note = models.TextField(blank=True)
    """Why it still waits, in words for the operator (no sandbox, environment not built, …)."""
    quarantined_at = models.DateTimeField(null=True, blank=True)
    """Since when nobody takes it any more: too many attempts ended without a verdict. An operator retries it."""
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, null=True, related_name="verifications")
    verdict = models.CharField(max_length=20, blank=True)
    isolation = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "environment_name"],
                condition=~Q(state="done"),
                name="verification_open_once",
            ),
            models.CheckConstraint(
                condition=(Q(state="done") & ~Q(verdict="") & Q(finished_at__isnull=False))
                | (~Q(state="done") & Q(verdict="")),
                name="verification_done_has_verdict",
            ),
        ]
        indexes = [
            models.Index(fields=["-priority", "not_before"], condition=~Q(state="done"), name="verification_queue"),
            models.Index(fields=["started_at"], name="verification_started"),
        ]

    def __str__(self) -> str:
        return f"{self.version} in {self.environment_name}: {self.verdict or self.state}"


class Worker(models.Model):
    """A process that proves experiences, as it last announced itself. A silent one counts as gone."""

    name = models.CharField(max_length=100, unique=True)
    host = models.CharField(max_length=100)
    environments = models.JSONField(default=dict)
    """What it can prove in: the name that scenarios use, and the digest of the root file system it has for it."""
    driver = models.CharField(max_length=20, blank=True)
    isolation = models.CharField(max_length=20, blank=True)
    slots = models.PositiveSmallIntegerField(default=1)
    note = models.TextField(blank=True)
    """What it lacks, in words for the operator."""
    is_draining = models.BooleanField(default=False)
    seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class ScenarioResult(models.Model):
    verification = models.ForeignKey(Verification, on_delete=models.PROTECT, related_name="results")
    scenario = models.CharField(max_length=200)
    verdict = models.CharField(max_length=20)
    reason = models.TextField(blank=True)
    report = models.JSONField()
    """The replay's report (keiken.replay.report.Report), masked."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["verification", "scenario"], name="scenario_result_once")]

    def __str__(self) -> str:
        return f"{self.scenario}: {self.verdict}"

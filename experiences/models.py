"""What: experiences, versions, interned conditions, blobs, environments, verifications, attestations."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import SLUG, Organization


class Experience(models.Model):
    class Visibility(models.TextChoices):
        PUBLIC = "public", _("public")
        ORGANIZATION = "organization", _("organization only")

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="experiences")
    name = models.CharField(max_length=64, validators=[SLUG])
    visibility = models.CharField(max_length=12, choices=Visibility.choices, default=Visibility.PUBLIC)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    topics = ArrayField(models.CharField(max_length=64), default=list)
    latest = models.ForeignKey("Version", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="experience_name_once")]
        permissions = [
            ("download_experience", "Can download the packages of an experience"),
            ("replay_experience", "Can replay an experience"),
        ]

    def __str__(self) -> str:
        return f"{self.organization.slug}/{self.name}"


class Condition(models.Model):
    """One distinct condition, shared by every version that declares it."""

    canonical = models.TextField(unique=True)
    key = models.CharField(max_length=100, db_index=True)
    operator = models.CharField(max_length=20)
    value = models.JSONField()

    def __str__(self) -> str:
        return self.canonical


class Blob(models.Model):
    """Bytes in the store, named by their digest ``sha256:…``."""

    digest = models.CharField(max_length=71, primary_key=True)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.digest


class Version(models.Model):
    """A published version never changes; its identity everywhere is the digest of its archive."""

    class Standing(models.TextChoices):
        PROVEN = "proven", _("proven")
        DOUBTED = "doubted", _("doubted")

    experience = models.ForeignKey(Experience, on_delete=models.PROTECT, related_name="versions")
    version = models.CharField(max_length=64)
    major = models.PositiveIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="versions")
    manifest = models.JSONField()
    skill = models.JSONField()
    condition_ids = ArrayField(models.BigIntegerField(), default=list)
    published_by = models.CharField(max_length=100)
    published_at = models.DateTimeField(default=timezone.now)
    yanked_at = models.DateTimeField(null=True, blank=True)
    standing = models.CharField(max_length=8, choices=Standing.choices, blank=True)
    """What the last verdicts say together, kept here so that a search can order by it; the rows decide."""
    proven_at = models.DateTimeField(null=True, blank=True)
    """The oldest of the last verdicts while all of them are signed passes."""
    search = SearchVectorField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experience", "version"], name="version_once")]
        indexes = [
            GinIndex(fields=["search"], name="version_search"),
            GinIndex(fields=["condition_ids"], name="version_conditions"),
        ]

    def __str__(self) -> str:
        return f"{self.experience}@{self.version}"


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

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="verifications")
    environment_name = models.CharField(max_length=64)
    """What the scenarios ask for; ``environment`` is what it then ran in."""
    trigger = models.CharField(max_length=12, choices=Trigger.choices)
    priority = models.SmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
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


class Attestation(models.Model):
    """A signed statement of one verification's verdict. The database refuses to change or delete it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    verification = models.OneToOneField(Verification, on_delete=models.PROTECT, related_name="attestation")
    envelope = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.id)


class PublicKey(models.Model):
    """A key the marketplace signs or signed with. A successor is signed by the key before it."""

    key_id = models.CharField(max_length=64, unique=True)
    public_key = models.CharField(max_length=64)
    """The raw 32 bytes in base64."""
    not_before = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)
    signed_by = models.JSONField(null=True, blank=True)

    def __str__(self) -> str:
        return self.key_id[:16]

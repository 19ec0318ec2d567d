"""What is published: experiences, their versions, and what versions share."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import models
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
    quality = models.FloatField(null=True, blank=True, db_index=True)
    """0 to 1, as a layer above reckons it; null while nobody has."""
    replay_count = models.PositiveIntegerField(default=0)
    """Reported replays, of all versions."""
    hidden_at = models.DateTimeField(null=True, blank=True)
    """Since when moderation shows it to nobody but its publisher and the operators; the reason is a code."""
    hidden_reason = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="experience_name_once"),
            models.CheckConstraint(
                condition=models.Q(quality__isnull=True) | models.Q(quality__gte=0, quality__lte=1),
                name="experience_quality_is_a_share",
            ),
        ]
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
    yanked_reason = models.CharField(max_length=300, blank=True)
    standing = models.CharField(max_length=8, choices=Standing.choices, blank=True)
    """What the last verdicts say together, kept here so that a search can order by it; the rows decide."""
    proven_at = models.DateTimeField(null=True, blank=True)
    """The oldest of the last verdicts while all of them are signed passes."""
    search = SearchVectorField(null=True)
    """Only for phrases, on a few rows that have all their words: everything else is found by ``SearchEntry``."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experience", "version"], name="version_once")]

    def __str__(self) -> str:
        return f"{self.experience}@{self.version}"

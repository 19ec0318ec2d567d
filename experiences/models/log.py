"""The public log: entries that are only ever added, the hashes of its tree, and its last signed checkpoint."""

from __future__ import annotations

from django.db import models

from experiences.models.provenance import Attestation, IndependentStatement, Summary


class LogHead(models.Model):
    """The one row that whoever appends locks first. The database refuses to make the log shorter."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    size = models.BigIntegerField(default=0)
    checkpoint = models.TextField(blank=True)
    """The signed note over this size; empty while nothing was logged."""
    signed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="log_head_only_one")]

    def __str__(self) -> str:
        return f"log of {self.size}"


class LogEntry(models.Model):
    """One leaf. The database refuses to change or delete it, and to leave a gap before it."""

    class Kind(models.TextChoices):
        ATTESTATION = "attestation"
        SUMMARY = "summary"
        INDEPENDENT = "independent"
        KEY = "key"
        REVOCATION = "revocation"

    index = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    digest = models.CharField(max_length=71, unique=True)
    """Of the envelope: nothing is logged twice."""
    leaf = models.TextField()
    attestation = models.OneToOneField(Attestation, on_delete=models.PROTECT, null=True, related_name="log_entry")
    summary = models.OneToOneField(Summary, on_delete=models.PROTECT, null=True, related_name="log_entry")
    independent = models.OneToOneField(
        IndependentStatement, on_delete=models.PROTECT, null=True, related_name="log_entry"
    )
    logged_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    kind="attestation", attestation__isnull=False, summary__isnull=True, independent__isnull=True
                )
                | models.Q(kind="summary", summary__isnull=False, attestation__isnull=True, independent__isnull=True)
                | models.Q(
                    kind="independent", independent__isnull=False, attestation__isnull=True, summary__isnull=True
                )
                | models.Q(
                    kind__in=["key", "revocation"],
                    attestation__isnull=True,
                    summary__isnull=True,
                    independent__isnull=True,
                ),
                name="log_entry_names_its_thing",
            )
        ]

    def __str__(self) -> str:
        return f"{self.index}: {self.kind}"


class LogNode(models.Model):
    """The hash over one complete subtree: the leaves ``place << level`` up to ``(place + 1) << level``."""

    level = models.PositiveSmallIntegerField()
    place = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "place"], name="log_node_once")]

    def __str__(self) -> str:
        return f"{self.level}/{self.place}"

"""What is signed, and by which key."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from accounts.models import Organization
from experiences.models.catalog import Version
from experiences.models.farm import Verification


class Attestation(models.Model):
    """A signed statement of one verification's verdict. The database refuses to change or delete it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    verification = models.OneToOneField(Verification, on_delete=models.PROTECT, related_name="attestation")
    envelope = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.id)


class Summary(models.Model):
    """What all attestations of a version said together after one more was signed. Never changed or deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="summaries")
    attestation = models.OneToOneField(Attestation, on_delete=models.PROTECT, related_name="summary")
    """The one that was signed with it."""
    is_passing = models.BooleanField()
    envelope = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["version", "-created_at"], name="summary_newest")]

    def __str__(self) -> str:
        return str(self.id)


class IndependentStatement(models.Model):
    """What a verifier of another organization saw and signed with a key of its own. Never changed or deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="independent_statements")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    public_key = models.CharField(max_length=64)
    """The raw 32 bytes in base64; readers decide whether they trust it."""
    verdict = models.CharField(max_length=20)
    environment_name = models.CharField(max_length=64)
    digest = models.CharField(max_length=71, unique=True)
    """Of the envelope."""
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
    """The envelope in which the key before it names this one."""
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation = models.JSONField(null=True, blank=True)
    """The envelope in which a later key says that this one counts no longer for what is not in the log yet."""

    def __str__(self) -> str:
        return self.key_id[:16]

"""What is signed, and by which key."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from experiences.models.farm import Verification


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

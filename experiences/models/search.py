"""What a search knows of each experience, and what tells every process that it changed."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from experiences.models.catalog import Experience, Version


class SearchEntry(models.Model):
    """An experience as it is listed: the terms of its latest version, and what it is filtered by.

    Layers above fill in what they know (``license_kinds``, ``price``) through a service; nothing here reads theirs.
    """

    experience = models.OneToOneField(
        Experience, on_delete=models.PROTECT, primary_key=True, related_name="search_entry"
    )
    version = models.ForeignKey(Version, on_delete=models.PROTECT, null=True, related_name="+")
    """None while every version is yanked."""
    keys = models.BinaryField(default=bytes)
    """uint64, little endian, rising: experiences.domain.terms.Postings."""
    marks = models.BinaryField(default=bytes)
    """uint8, one for each key."""
    language = models.CharField(max_length=8, blank=True)
    actions = ArrayField(models.CharField(max_length=20), default=list)
    environments = ArrayField(models.CharField(max_length=64), default=list)
    """Where its last verdict is a signed pass."""
    license_kinds = ArrayField(models.CharField(max_length=20), default=list)
    price = models.CharField(max_length=20, blank=True)
    """A band, not an amount; empty while nothing is offered to everybody."""

    def __str__(self) -> str:
        return f"entry of {self.experience_id}"


class SearchWord(models.Model):
    """A word that some listing has or had, for those that are mistyped or only begun."""

    word = models.CharField(max_length=40, primary_key=True)
    trigrams = ArrayField(models.CharField(max_length=3))

    class Meta:
        indexes = [GinIndex(fields=["trigrams"], name="search_word_trigrams")]

    def __str__(self) -> str:
        return self.word


class SearchChange(models.Model):
    """Something about an experience changed that a search knows. Only the database's own triggers write these.

    ``xid`` is the transaction that wrote it: whoever has read everything up to a snapshot's oldest open transaction
    misses nothing by asking for what is not older, in whatever order transactions end.
    """

    experience_id = models.BigIntegerField()
    xid = models.BigIntegerField(db_index=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.experience_id} in {self.xid}"


class Embedding(models.Model):
    """What the text of an experience's latest version means, as a vector; until there is one, the job to get it."""

    experience = models.OneToOneField(Experience, on_delete=models.PROTECT, primary_key=True, related_name="embedding")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    """Whose text is wanted. Until ``made_at`` is set, ``vector`` may still be that of a version before."""
    space = models.CharField(max_length=220)
    """Model and dimensions: only vectors of one space can be compared."""
    vector = models.BinaryField(default=bytes)
    """float16, little endian, of length one; empty while there is none of this space."""
    signs = models.BinaryField(default=bytes)
    """One bit for each of its numbers, set where that is positive, in whole uint64s: what every process keeps."""
    made_at = models.DateTimeField(null=True)
    is_alone = models.BooleanField(default=False)
    """Sent by itself, since the endpoint refused a batch that it was in."""
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    note = models.CharField(max_length=100, blank=True)
    """A stable word for why the last attempt brought nothing."""

    class Meta:
        indexes = [
            models.Index(fields=["not_before"], name="embedding_waiting", condition=models.Q(made_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"embedding of {self.experience_id}"

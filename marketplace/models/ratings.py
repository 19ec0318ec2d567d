"""Ratings with their answers and replies, every earlier form of them, and who found them helpful."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization, Person
from experiences.models import Experience
from marketplace.models.field import ReplayReport


class Rating(models.Model):
    """One per organization and version line, only after a reported replay."""

    class Answer(models.TextChoices):
        YES = "yes", _("yes")
        PARTLY = "partly", _("partly")
        NO = "no", _("no")

    class Effort(models.TextChoices):
        NONE = "none", _("none")
        MINUTES = "minutes", _("minutes")
        HOURS = "hours", _("hours")
        DAYS = "days", _("days")

    experience = models.ForeignKey(Experience, on_delete=models.PROTECT, related_name="ratings")
    major = models.PositiveIntegerField()
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="ratings")
    report = models.ForeignKey(ReplayReport, on_delete=models.PROTECT, related_name="ratings")
    stars = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    held = models.CharField(max_length=6, choices=Answer.choices, blank=True)
    """Whether it did what it promises; empty where this was not answered, as below."""
    described = models.CharField(max_length=6, choices=Answer.choices, blank=True)
    """Whether the description was right."""
    effort_saved = models.CharField(max_length=7, choices=Effort.choices, blank=True)
    text = models.TextField(blank=True, max_length=4000)
    os_id = models.CharField(max_length=64, blank=True)
    os_version = models.CharField(max_length=64, blank=True)
    environment_name = models.CharField(max_length=64, blank=True)
    """Where it was used, coarsely, from the report's facts."""
    is_by_insiders = models.BooleanField(default=False)
    """Whether an owner of the organization belonged to the publisher when it was written: it counts for no quality."""
    reply = models.TextField(blank=True, max_length=4000)
    """The publisher's answer, shown below it."""
    replied_at = models.DateTimeField(null=True, blank=True)
    hidden_at = models.DateTimeField(null=True, blank=True)
    """Since when moderation hides it; a hidden one is not counted either."""
    reply_hidden_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experience", "major", "organization"], name="rating_once"),
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="rating_stars_one_to_five"),
            models.CheckConstraint(
                condition=Q(held__in=["", "yes", "partly", "no"], described__in=["", "yes", "partly", "no"])
                & Q(effort_saved__in=["", "none", "minutes", "hours", "days"]),
                name="rating_answers_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stars} for {self.experience_id}"

    def content(self) -> dict[str, Any]:
        """What its author says, as its history keeps it."""
        return {
            "stars": self.stars,
            "held": self.held,
            "described": self.described,
            "effort_saved": self.effort_saved,
            "text": self.text,
        }


class RatingEdit(models.Model):
    """A rating, or the reply to it, as it was written at a time. The database refuses to change or delete it."""

    class Part(models.TextChoices):
        RATING = "rating", _("rating")
        REPLY = "reply", _("reply")

    rating = models.ForeignKey(Rating, on_delete=models.PROTECT, related_name="edits")
    part = models.CharField(max_length=6, choices=Part.choices)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    """Who wrote: the rating's organization, or the publisher."""
    actor_kind = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True)
    content = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["organization", "-created_at"], name="rating_edit_by_writer")]

    def __str__(self) -> str:
        return f"{self.part} {self.rating_id}"


class HelpfulVote(models.Model):
    """One per organization and per person, so that nobody votes twice through two organizations."""

    rating = models.ForeignKey(Rating, on_delete=models.CASCADE, related_name="helpful_votes")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="+")
    """None for an agent's vote."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rating", "organization"], name="helpful_once_per_organization"),
            models.UniqueConstraint(fields=["rating", "person"], name="helpful_once_per_person"),
        ]
        indexes = [models.Index(fields=["organization", "-created_at"], name="helpful_by_organization")]

    def __str__(self) -> str:
        return f"{self.organization_id} for {self.rating_id}"

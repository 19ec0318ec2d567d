"""Complaints: what was reported, what reviewers decided and why, and what its author said to that."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from experiences.models import Experience
from marketplace.models.ratings import Rating


class Case(models.Model):
    """Everything said about one thing until it is decided: further reports join the case that is open.

    open → decided (kept or hidden) → appealed → closed (upheld or restored). A kept thing that is reported anew gets a
    new case.
    """

    class Subject(models.TextChoices):
        LISTING = "listing", _("experience")
        RATING = "rating", _("rating")
        REPLY = "reply", _("reply")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        DECIDED = "decided", _("decided")
        APPEALED = "appealed", _("appealed")
        CLOSED = "closed", _("closed")

    class Outcome(models.TextChoices):
        KEPT = "kept", _("kept")
        HIDDEN = "hidden", _("hidden")

    class Reason(models.TextChoices):
        SECURITY = "security", _("it endangers who replays it")
        DECEPTION = "deception", _("it deceives, or is not what it says")
        ABUSE = "abuse", _("it insults, threatens or harasses")
        SPAM = "spam", _("it is advertising or spam")
        PRIVACY = "privacy", _("it tells personal data or secrets")
        ILLEGAL = "illegal", _("it infringes rights or the law")
        CONFLICT = "conflict", _("its author has an interest that is not told")
        OTHER = "other", _("something else")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject = models.CharField(max_length=7, choices=Subject.choices)
    experience = models.ForeignKey(Experience, on_delete=models.PROTECT, related_name="cases")
    """The one reported, or the one whose rating was."""
    rating = models.ForeignKey(Rating, on_delete=models.PROTECT, null=True, blank=True, related_name="cases")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="cases_against")
    """Who answers for the thing: its author."""
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(max_length=6, choices=Outcome.choices, blank=True)
    """What holds now."""
    reason = models.CharField(max_length=9, choices=Reason.choices, blank=True)
    statement = models.TextField(blank=True, max_length=2000)
    """Why, in the reviewer's words to the author."""
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [("review_case", "Can review complaints")]
        constraints = [
            models.CheckConstraint(
                condition=Q(subject="listing", rating__isnull=True)
                | Q(subject__in=["rating", "reply"], rating__isnull=False),
                name="case_has_its_subject",
            ),
            models.CheckConstraint(
                condition=Q(state="open", outcome="", decided_at__isnull=True)
                | (~Q(state="open") & Q(outcome__in=["kept", "hidden"], decided_at__isnull=False)),
                name="case_decided_has_outcome",
            ),
            models.UniqueConstraint(
                fields=["experience"],
                condition=Q(subject="listing", state__in=["open", "appealed"]),
                name="case_of_listing_once",
            ),
            models.UniqueConstraint(
                fields=["rating", "subject"], condition=Q(state__in=["open", "appealed"]), name="case_of_rating_once"
            ),
        ]
        indexes = [models.Index(fields=["state", "created_at"], name="case_queue")]

    def __str__(self) -> str:
        return f"{self.subject} {self.experience_id} {self.state}"


class CaseEntry(models.Model):
    """One thing said or done in a case. The database refuses to change or delete it."""

    class Kind(models.TextChoices):
        REPORT = "report", _("reported")
        DECISION = "decision", _("decided")
        APPEAL = "appeal", _("appealed")
        CLOSING = "closing", _("appeal decided")

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, related_name="+")
    """For whom it was said; None for reviewers, and for people without an organization."""
    actor_kind = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True)
    """A number and no key, as in the audit trail: people may leave."""
    actor_name = models.CharField(max_length=100, blank=True)
    """Of an agent; a person's name is looked up while they are here."""
    outcome = models.CharField(max_length=6, blank=True)
    reason = models.CharField(max_length=9, choices=Case.Reason.choices, blank=True)
    text = models.TextField(blank=True, max_length=2000)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "organization"],
                condition=Q(kind="report", organization__isnull=False),
                name="case_report_once_per_organization",
            ),
            models.UniqueConstraint(
                fields=["case", "actor_id"],
                condition=Q(kind="report", actor_kind="person"),
                name="case_report_once_per_person",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="case_entry_by_organization"),
            models.Index(fields=["actor_kind", "actor_id", "-created_at"], name="case_entry_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} in {self.case_id}"

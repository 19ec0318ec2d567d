"""What was agreed: versioned terms, offers, acceptances and grants."""

from __future__ import annotations

import uuid
from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import SLUG, Organization
from experiences.models import Experience
from licensing.domain.terms import agreed_text

PLACE: Final = ("experience", "kind", "plan", "currency", "interval")
"""Of public offers that agree in these only one is active."""


class Terms(models.Model):
    """A text and its machine-readable uses. Immutable: a change is a new version."""

    class Kind(models.TextChoices):
        SPDX = "spdx", _("SPDX license")
        CUSTOM = "custom", _("custom text")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="terms")
    name = models.CharField(max_length=64, validators=[SLUG])
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=6, choices=Kind.choices)
    spdx = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    text_ja = models.TextField(blank=True)
    """The same in Japanese. Who accepts accepts both."""
    text_sha256 = models.CharField(max_length=64)
    """Of ``document``."""
    rules = models.JSONField(default=dict, blank=True)
    """``licensing.domain.rules.Rules`` as JSON; empty is without any."""
    uses = ArrayField(models.CharField(max_length=20))
    """Of ``replay, read, modify, derive, redistribute, resell, train``."""
    created_at = models.DateTimeField(default=timezone.now)

    @property
    def document(self) -> str:
        """Exactly what is accepted."""
        return agreed_text(self.text, self.text_ja)

    class Meta:
        verbose_name_plural = "terms"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name", "version"], name="terms_version_once"),
            models.CheckConstraint(condition=Q(kind="custom") | ~Q(spdx=""), name="terms_spdx_named"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Offer(models.Model):
    """Who may have an experience, on which terms, at what price. It never changes: another one takes its place.

    Amounts are integers in the currency's minor unit (cents; yen has none), without tax.
    """

    class Kind(models.TextChoices):
        FREE = "free", _("free for every organization")
        ORGANIZATION = "organization", _("internal to the publishing organization")
        PURCHASE = "purchase", _("paid once")
        SUBSCRIPTION = "subscription", _("paid every month or year")
        METERED = "metered", _("paid by successful replay")
        REQUEST = "request", _("on request")

    class Interval(models.TextChoices):
        MONTH = "month", _("month")
        YEAR = "year", _("year")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    experience = models.ForeignKey(Experience, on_delete=models.PROTECT, related_name="offers")
    bundled = models.ManyToManyField(Experience, related_name="bundle_offers", blank=True)
    """Further experiences of the same publisher that a license on this offer opens."""
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="offers")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    plan = models.CharField(max_length=40, blank=True, validators=[SLUG])
    """What tells it from others of its kind, like ``team``; empty where there is one only."""
    grant_days = models.PositiveIntegerField(null=True, blank=True)
    """How long a grant lasts; None means until revoked."""
    price_minor = models.PositiveBigIntegerField(default=0)
    """Of a purchase, of each interval of a subscription, or of one replay beyond the free ones when metered."""
    currency = models.CharField(max_length=3, blank=True)
    interval = models.CharField(max_length=5, choices=Interval.choices, blank=True)
    trial_days = models.PositiveSmallIntegerField(default=0)
    seats = models.PositiveIntegerField(null=True, blank=True)
    """How many agents may use one license; None means every agent of the organization."""
    stock = models.PositiveIntegerField(null=True, blank=True)
    """How many organizations may hold a license on this offer at the same time; None means any number."""
    replays_free = models.PositiveIntegerField(default=0)
    replays_quota = models.PositiveIntegerField(null=True, blank=True)
    """Successful replays a license allows in a calendar month (UTC); None means any number."""
    versions = models.CharField(max_length=100, blank=True)
    """The versions it is for, as a range like ``>=1.0,<2``; empty means every one, also those to come."""
    recipients = models.ManyToManyField(Organization, related_name="private_offers", blank=True)
    is_private = models.BooleanField(default=False)
    """Shown to its recipients and the publisher only."""
    expires_at = models.DateTimeField(null=True, blank=True)
    """Cannot be accepted from then on; grants given on it stay."""
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    @property
    def place(self) -> dict[str, object]:
        """What a public offer shares with the one that takes its place."""
        return {name: getattr(self, name) for name in PLACE}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=list(PLACE),
                condition=Q(is_active=True, is_private=False),
                name="offer_active_once",
            ),
            models.CheckConstraint(condition=Q(price_minor=0) | ~Q(currency=""), name="offer_price_has_currency"),
            models.CheckConstraint(
                condition=Q(kind="subscription") & ~Q(interval="") | ~Q(kind="subscription") & Q(interval=""),
                name="offer_interval_of_subscription",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["purchase", "subscription"]) | Q(price_minor__gt=0), name="offer_paid_has_price"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} offer of {self.experience}"


class Acceptance(models.Model):
    """Who accepted which exact text, for whom, when. The database refuses to change or delete it."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="acceptances")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="acceptances")
    accepted_by_kind = models.CharField(max_length=10)
    accepted_by_id = models.BigIntegerField()
    accepted_by_name = models.CharField(max_length=100)
    text_sha256 = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.accepted_by_name} for {self.organization_id}"


class Grant(models.Model):
    """An organization may use an experience from start to end, unless revoked.

    Whether it permits follows from these times alone (``licensing.domain.grants``), never from whether it was swept.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    acceptance = models.ForeignKey(Acceptance, on_delete=models.PROTECT, related_name="grants")
    """One acceptance of a bundle gives a grant for each of its experiences."""
    order = models.ForeignKey("Order", on_delete=models.PROTECT, null=True, blank=True, related_name="grants")
    """What was paid for it; None for an offer without a price."""
    experience = models.ForeignKey(Experience, on_delete=models.PROTECT, related_name="grants")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="grants")
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=300, blank=True)
    revoked_code = models.CharField(max_length=20, blank=True)
    """``license_revoked`` by the publisher; ``license_refunded``, ``license_disputed`` by what became of the money."""
    frozen_at = models.DateTimeField(null=True, blank=True)
    """Since when a dispute about the payment is open: nothing is permitted until it is decided."""
    closed_at = models.DateTimeField(null=True, blank=True)
    """When it was found ended and its permissions were taken away, so that another grant can follow."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["experience", "organization"],
                condition=Q(revoked_at__isnull=True, closed_at__isnull=True),
                name="grant_open_once",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(ends_at__isnull=False, closed_at__gte=models.F("ends_at")),
                name="grant_closed_after_end",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=models.F("starts_at")),
                name="grant_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} may use {self.experience_id}"

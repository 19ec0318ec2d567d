"""People, organizations, memberships, agents, API keys, and the append-only audit trail."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

SLUG = RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*$", _("Use lower-case letters, digits and single hyphens."))


class PersonManager(BaseUserManager["Person"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Person:
        person = self.model(email=email.strip().lower(), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Person:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class Person(AbstractBaseUser, PermissionsMixin):
    """A human being with an e-mail address and a password."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100, blank=True)
    language = models.CharField(max_length=5, choices=[("en", "English"), ("ja", "日本語")], default="en")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)
    """Since then only a number is left, which the audit trail goes on naming."""

    objects: ClassVar[PersonManager] = PersonManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name_plural = "people"
        constraints = [models.UniqueConstraint(Lower("email"), name="person_email_any_case")]

    def __str__(self) -> str:
        return self.name or self.email


class Organization(models.Model):
    slug = models.CharField(max_length=64, unique=True, validators=[SLUG])
    name = models.CharField(max_length=100)
    group = models.OneToOneField(Group, on_delete=models.PROTECT, related_name="organization")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    """Since then nobody belongs to it; its name is never given to another."""

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner", _("owner")
        PUBLISHER = "publisher", _("publisher")
        BUYER = "buyer", _("buyer")
        VIEWER = "viewer", _("viewer")

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "organization"], name="membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "publisher", "buyer", "viewer"]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.role} {self.organization_id}"


class Agent(models.Model):
    """A program that acts for an organization in its own name."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="agents")
    name = models.CharField(max_length=64, validators=[SLUG])
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    is_authenticated: ClassVar[bool] = True
    """As Django's users say it: DRF has an agent as ``request.user``."""
    is_anonymous: ClassVar[bool] = False

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="agent_name_once")]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A key ``kk_…``: shown once, stored as a hash, belongs to one person or one agent."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="api_keys")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, blank=True, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, unique=True)
    """The public part, shown in lists so that a key can be recognized."""
    secret_sha256 = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=20))
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=True) ^ Q(agent__isnull=True), name="api_key_person_or_agent"
            ),
        ]

    def __str__(self) -> str:
        return self.prefix


class AuditEntry(models.Model):
    """What happened, who did it, for whom. The database refuses to change or delete a row."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, related_name="audit_entries")
    actor_kind = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=100)
    api_key_id = models.BigIntegerField(null=True, blank=True)
    """The key it was done with; None for a session or the platform itself."""
    action = models.CharField(max_length=60)
    """Dotted, for example ``experience.publish`` or ``download.refuse``."""
    target = models.CharField(max_length=300)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["organization", "-at"], name="audit_by_organization")]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name} {self.action} {self.target}"

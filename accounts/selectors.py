"""What is read of organizations. The organization given here comes from ``accounts.access``."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.db.models import QuerySet

from accounts.domain.audit_filters import AuditFilter
from accounts.models import (
    Agent,
    ApiKey,
    AuditEntry,
    EnvironmentProfile,
    Invitation,
    Membership,
    Organization,
    Person,
    PersonExport,
    Webhook,
    WebhookDelivery,
)

EVERYTHING = AuditFilter()


def members_of(organization: Organization) -> QuerySet[Membership]:
    return organization.memberships.select_related("person").order_by("person__email")


def agents_of(organization: Organization) -> QuerySet[Agent]:
    return organization.agents.order_by("name")


def keys_of(organization: Organization) -> QuerySet[ApiKey]:
    return organization.api_keys.select_related("agent", "person")


def audit_entries_of(organization: Organization, wanted: AuditFilter = EVERYTHING) -> QuerySet[AuditEntry]:
    rows = organization.audit_entries.all()
    if wanted.actor:
        rows = rows.filter(actor_name__icontains=wanted.actor)
    if wanted.action:
        rows = rows.filter(action__startswith=wanted.action)
    if wanted.target:
        rows = rows.filter(target__icontains=wanted.target)
    if wanted.since:
        rows = rows.filter(at__gte=datetime.combine(wanted.since, time.min, UTC))
    if wanted.until:
        rows = rows.filter(at__lt=datetime.combine(wanted.until, time.min, UTC) + timedelta(days=1))
    return rows


def profiles_of(organization: Organization) -> QuerySet[EnvironmentProfile]:
    return organization.environment_profiles.order_by("name")


def webhooks_of(organization: Organization) -> QuerySet[Webhook]:
    return organization.webhooks.select_related("organization").order_by("created_at")


def deliveries_of(webhook: Webhook) -> QuerySet[WebhookDelivery]:
    return webhook.deliveries.select_related("event")


def open_invitations_of(organization: Organization) -> QuerySet[Invitation]:
    """Sent and neither accepted nor taken back; some may be past their time."""
    waiting = organization.invitations.filter(accepted_at__isnull=True, revoked_at__isnull=True)
    return waiting.order_by("email")


def export_of(person: Person) -> PersonExport | None:
    """The one there is, done or not, without its content."""
    return PersonExport.objects.defer("content").filter(person=person).first()

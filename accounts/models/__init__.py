"""Who: people and their organizations, what these keep about their machines, and what they are told of."""

from accounts.models.outgoing import OutboxEvent, OutgoingMail, Webhook, WebhookDelivery
from accounts.models.people import (
    SLUG,
    Agent,
    ApiKey,
    AuditEntry,
    Membership,
    Organization,
    Person,
    PersonManager,
)
from accounts.models.personal import Invitation, PersonExport
from accounts.models.profiles import EnvironmentProfile

__all__ = [
    "SLUG",
    "Agent",
    "ApiKey",
    "AuditEntry",
    "EnvironmentProfile",
    "Invitation",
    "Membership",
    "Organization",
    "OutboxEvent",
    "OutgoingMail",
    "Person",
    "PersonExport",
    "PersonManager",
    "Webhook",
    "WebhookDelivery",
]

"""What is known of a person, part by part, as JSON-ready rows. No secret, and nothing that is another person's."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from accounts.models import AuditEntry, Invitation, OutgoingMail, Person
from licensing.models import Acceptance

ROWS_MAX = 100_000
"""Of the audit trail and the like: the newest so many."""
README = """Everything that this marketplace keeps about you, as JSON.

account.json         your account, e-mail addresses, ways to sign in (no secrets), sessions
organizations.json   your memberships, invitations to you, your API keys (no secrets)
acceptances.json     terms that you accepted for an organization
audit.json           what you did, as the audit trail has it: at most the newest 100,000 entries
mails.json           when which mail went to your address

What you published, reported and rated belongs to your organizations; their owners find it on the organization's pages.
"""


def export_of(person: Person) -> bytes:
    """A ZIP of JSON files and a README."""
    parts: dict[str, Any] = {
        "account.json": _account(person),
        "organizations.json": _organizations(person),
        "acceptances.json": list(_rows(Acceptance.objects.filter(accepted_by_kind="person", accepted_by_id=person.pk), (
            "at", "organization__slug", "offer__experience__name", "offer__terms__name", "offer__terms__version",
            "text_sha256",
        ))),
        "audit.json": list(_rows(AuditEntry.objects.filter(actor_kind="person", actor_id=person.pk), (
            "at", "organization__slug", "action", "target", "details", "api_key_id",
        ))),
        "mails.json": list(_rows(OutgoingMail.objects.filter(to=person.email), ("created_at", "sent_at", "subject"))),
    }  # fmt: skip
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        for name, content in parts.items():
            archive.writestr(name, json.dumps(content, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1))
    return written.getvalue()


def _account(person: Person) -> dict[str, Any]:
    names = ("id", "email", "name", "language", "is_active", "is_staff", "date_joined", "last_login")
    return {
        "person": {name: getattr(person, name) for name in names},
        "email_addresses": list(EmailAddress.objects.filter(user=person).values("email", "verified", "primary")),
        "ways_to_sign_in": list(Authenticator.objects.filter(user=person).values("type", "created_at", "last_used_at")),
        "sessions": list(UserSession.objects.filter(user=person).values("created_at", "ip", "user_agent")),
    }


def _organizations(person: Person) -> dict[str, Any]:
    keys = ("organization__slug", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    invitations = Invitation.objects.filter(email__iexact=person.email)
    return {
        "memberships": list(person.memberships.values("organization__slug", "role", "created_at")),
        "invitations": list(invitations.values("organization__slug", "role", "sent_at", "accepted_at", "revoked_at")),
        "api_keys": list(person.api_keys.values(*keys)),
    }


def _rows(rows: QuerySet[Any], names: Iterable[str]) -> Iterator[dict[str, Any]]:
    yield from rows.order_by("-pk").values(*names)[:ROWS_MAX]

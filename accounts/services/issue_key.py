"""An API key for an agent or for oneself: made, shown once, kept as a hash."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import AGENT_SCOPES, Actor
from accounts.domain.api_keys import new_key
from accounts.domain.refusals import Forbidden, Invalid
from accounts.models import Agent, ApiKey, Organization, Person
from accounts.services import audit


def issue_key(
    *,
    actor: Actor,
    organization: Organization,
    name: str,
    scopes: Sequence[str],
    agent: Agent | None = None,
    person: Person | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """The row and the key's text, which exists nowhere else.

    Agents' keys need an owner; a member may make keys for themselves, never with more than their role allows.
    Raises Forbidden, Invalid ``scope_not_allowed``, ``expiry_passed``, ``key_holder_missing``.
    """
    if (agent is None) == (person is None):
        raise Invalid("key_holder_missing", _("A key belongs to one agent or to one person."))
    if agent is not None:
        actor.require("admin", organization.pk)
        if agent.organization_id != organization.pk or not agent.is_active:
            raise Invalid("key_holder_missing", _("There is no such active agent in the organization."))
    elif person is not None:
        actor.require("read", organization.pk)
        if actor.kind != "person" or actor.id != person.pk:
            raise Forbidden("key_of_another", _("People make their own keys."))
    allowed = actor.scopes & AGENT_SCOPES if agent else actor.scopes
    excess = sorted(set(scopes) - allowed)
    if excess or not scopes:
        raise Invalid(
            "scope_not_allowed",
            _("These scopes cannot be given here: {scopes}.").format(scopes=", ".join(excess) or _("none were named")),
            _("Allowed are: {scopes}.").format(scopes=", ".join(sorted(allowed))),
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("expiry_passed", _("The key would already have expired."))
    made = new_key()
    with transaction.atomic(durable=True):
        row = ApiKey.objects.create(
            organization=organization,
            agent=agent,
            person=person,
            name=name[:100],
            prefix=made.prefix,
            secret_sha256=made.sha256,
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )
        audit.record(
            actor=actor,
            action="key.issue",
            target=made.prefix,
            organization_id=organization.pk,
            details={"holder": str(agent or person), "scopes": row.scopes},
        )
    return row, made.text

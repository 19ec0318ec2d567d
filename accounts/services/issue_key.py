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

NAME_MAX_LENGTH = 100


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
    A key makes keys only with the scope ``admin``, and none that outlives it.
    Raises Forbidden, Invalid ``key_holder_missing``, ``key_name_invalid``, ``scope_not_allowed``, ``expiry_invalid``.
    """
    _check_right(actor, organization, agent, person)
    _check_scopes(set(scopes), actor.scopes & AGENT_SCOPES if agent else actor.scopes)
    _check_expiry(actor, expires_at)
    if not name.strip() or len(name) > NAME_MAX_LENGTH or not name.isprintable():
        raise Invalid(
            "key_name_invalid",
            _("A key needs a name of at most {limit} characters.").format(limit=NAME_MAX_LENGTH),
            _("Name what uses it, for example 'build server'."),
        )
    made = new_key()
    with transaction.atomic(durable=True):
        row = ApiKey.objects.create(
            organization=organization,
            agent=agent,
            person=person,
            name=name,
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


def _check_right(actor: Actor, organization: Organization, agent: Agent | None, person: Person | None) -> None:
    if (agent is None) == (person is None):
        raise Invalid(
            "key_holder_missing", _("A key belongs to one agent or to one person."), _("Name one of the two.")
        )
    actor.require("admin" if agent or actor.api_key_id else "read", organization.pk)
    if person is not None and (actor.kind != "person" or actor.id != person.pk):
        raise Forbidden(
            "key_of_another", _("People make their own keys."), _("Make a key for an agent, or ask them to make it.")
        )
    if agent is not None and (agent.organization_id != organization.pk or not agent.is_active):
        raise Invalid(
            "key_holder_missing",
            _("There is no such active agent in the organization."),
            _("Create the agent first, or choose another."),
        )


def _check_scopes(wanted: set[str], allowed: frozenset[str]) -> None:
    excess = sorted(wanted - allowed)
    if excess or not wanted:
        named = ", ".join(scope[:20] for scope in excess[:10]) or _("none were named")
        raise Invalid(
            "scope_not_allowed",
            _("These scopes cannot be given here: {scopes}.").format(scopes=named),
            _("Allowed are: {scopes}.").format(scopes=", ".join(sorted(allowed))),
            {"allowed": sorted(allowed)},
        )


def _check_expiry(actor: Actor, expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("expiry_invalid", _("The key would already have expired."), _("Choose a time to come."))
    if actor.api_key_id is None:
        return
    limit = ApiKey.objects.values_list("expires_at", flat=True).get(pk=actor.api_key_id)
    if limit is not None and (expires_at is None or expires_at > limit):
        raise Invalid(
            "expiry_invalid",
            _("A key made with a key cannot outlive it."),
            _("Let it expire at {limit} or before, or sign in to make it.").format(limit=limit.isoformat()),
        )

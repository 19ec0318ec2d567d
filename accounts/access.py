"""Who is asking, and the doors to organizations, their members, agents and keys."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.actors import AGENT_SCOPES, ANONYMOUS, ROLE_SCOPES, Actor, Role, Scope
from accounts.domain.api_keys import digest, prefix_of
from accounts.domain.invitation_links import read_token
from accounts.domain.refusals import Forbidden, NotFound, Unauthenticated
from accounts.models import (
    Agent,
    ApiKey,
    EnvironmentProfile,
    Invitation,
    Membership,
    Organization,
    Person,
    PersonExport,
    Webhook,
    WebhookDelivery,
)

ACTING_ORGANIZATION = "acting_organization"
"""The session's key for the slug of the organization a person acts for."""
LAST_USED_STEP = timedelta(minutes=1)


def actor_of(request: Any) -> Actor:
    """The actor of an API or page request. Raises Unauthenticated for a key that is no longer good.

    An API request acts as whatever authenticated it and nothing else: falling back to the session there would
    skip the CSRF check of ActingSessionAuthentication.
    """
    if isinstance(request, Request):
        return request.auth if isinstance(request.auth, Actor) else ANONYMOUS
    known = getattr(request, "keiken_actor", None)
    if known is None:
        known = session_actor(request)
        request.keiken_actor = known
    assert isinstance(known, Actor)
    return known


def session_actor(request: HttpRequest) -> Actor:
    """The signed-in person, acting for the organization chosen on the pages or else for their first. One query."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return ANONYMOUS
    found = memberships_of(request, user.pk)
    wanted = request.session.get(ACTING_ORGANIZATION, "")
    chosen = next((member for member in found if member.organization.slug == wanted), found[0] if found else None)
    return person_actor(user, chosen)


def memberships_of(request: HttpRequest, person_id: int) -> list[Membership]:
    """The memberships of the signed-in person, oldest first; looked up once per request."""
    known = getattr(request, "keiken_memberships", None)
    if known is None:
        rows = Membership.objects.filter(person_id=person_id).select_related("organization")
        known = list(rows.order_by("created_at", "pk"))
        request.keiken_memberships = known  # type: ignore[attr-defined]
    return known


def person_actor(person: Any, membership: Membership | None) -> Actor:
    """A person acting for the organization of a membership, or for none: then they can only look."""
    common: dict[str, Any] = {"kind": "person", "id": person.pk, "name": str(person), "is_operator": person.is_staff}
    if membership is None:
        return Actor(**common, scopes=frozenset({"read"}))
    role: Role = membership.role  # type: ignore[assignment]  # a constraint keeps the column to the four roles
    organization = membership.organization
    return Actor(
        **common,
        organization_id=organization.pk,
        organization_slug=organization.slug,
        group_id=organization.group_id,
        scopes=ROLE_SCOPES[role],
    )


def key_actor(text: str) -> tuple[Person | Agent, Actor]:
    """The holder and the actor of an API key, by one query; nothing is cached, so a revocation holds at once.

    Raises Unauthenticated ``key_malformed``, ``key_unknown``, ``key_revoked``, ``key_expired`` or
    ``key_holder_inactive``. No message repeats any part of the key.
    """
    prefix = prefix_of(text)
    if prefix is None:
        raise Unauthenticated(
            "key_malformed",
            _("This is no API key, or a character of it is wrong."),
            _("Send the key exactly as it was shown when it was made: kk_…"),
        )
    role = Membership.objects.filter(person_id=OuterRef("person_id"), organization_id=OuterRef("organization_id"))
    rows = ApiKey.objects.select_related("organization", "agent", "person").annotate(role=Subquery(role.values("role")))
    key = rows.filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(key.secret_sha256, digest(text)):
        raise _refuse("key_unknown", _("This key is not known here."))
    now = timezone.now()
    if key.revoked_at is not None:
        raise _refuse("key_revoked", _("This key was revoked."))
    if key.expires_at is not None and key.expires_at <= now:
        raise _refuse("key_expired", _("This key has expired."))
    holder = key.agent or key.person
    assert holder is not None, "a constraint gives every key one holder"
    if not holder.is_active or (key.person_id is not None and key.role is None):
        raise _refuse("key_holder_inactive", _("Whom this key belongs to no longer acts for the organization."))
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_STEP:
        # The condition again, in the database: of many requests at once only one writes.
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - LAST_USED_STEP)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return holder, _actor_of_key(key, holder, key.role)


def _actor_of_key(key: ApiKey, holder: Person | Agent, role: Role | None) -> Actor:
    # What a person may do can shrink after the key was made; the key shrinks with it.
    allowed: frozenset[Scope] = ROLE_SCOPES[role] if role else AGENT_SCOPES
    return Actor(
        kind="person" if key.person_id is not None else "agent",
        id=holder.pk,
        name=str(holder),
        organization_id=key.organization_id,
        organization_slug=key.organization.slug,
        group_id=key.organization.group_id,
        scopes=frozenset(scope for scope in allowed if scope in key.scopes),
        api_key_id=key.pk,
    )


def _refuse(code: str, message: str) -> Unauthenticated:
    return Unauthenticated(code, message, _("Ask an owner of your organization for a new key."))


def organizations_of(actor: Actor) -> QuerySet[Organization]:
    """What ``organization_for`` opens, all of it, by slug. Raises Unauthenticated."""
    actor.require_known()
    is_theirs = Q(pk=actor.organization_id) if actor.organization_id is not None else Q(pk__in=[])
    if actor.kind == "person" and actor.api_key_id is None and actor.id is not None:
        is_theirs |= Q(pk__in=Membership.objects.filter(person_id=actor.id).values("organization_id"))
    return Organization.objects.filter(is_theirs).order_by("slug")


def organization_for(actor: Actor, slug: str) -> Organization:
    """The organization the actor belongs to; any other reads like an absent one: NotFound.

    A key belongs to one organization. A person in a session also sees the others they are a member of, but acts
    only for the one they chose: use cases then answer ``wrong_organization``. Raises Unauthenticated for a stranger.
    """
    found = organizations_of(actor).select_related("group").filter(slug=slug).first()
    if found is None:
        raise NotFound(_("organization"))
    return found


def insight_for(actor: Actor, slug: str) -> Organization:
    """The organization, for its people only: members, keys and the audit trail name persons.

    Raises NotFound, Unauthenticated, or Forbidden ``wrong_organization``, ``scope_missing``, ``people_only``.
    """
    organization = organization_for(actor, slug)
    actor.require("read", organization.pk)
    if actor.kind != "person":
        raise Forbidden(
            "people_only",
            _("Only people of the organization may see this."),
            _("Sign in, or use a key of your own instead of an agent's."),
        )
    return organization


def member_for(organization: Organization, person_id: int) -> Membership:
    """Raises NotFound. ``organization`` comes from ``organization_for``."""
    found = organization.memberships.select_related("person").filter(person_id=person_id).first()
    if found is None:
        raise NotFound(_("member"))
    return found


def agent_for(organization: Organization, name: str) -> Agent:
    """Raises NotFound. ``organization`` comes from ``organization_for``."""
    found = organization.agents.select_related("organization").filter(name=name).first()
    if found is None:
        raise NotFound(_("agent"))
    return found


def key_for(organization: Organization, prefix: str) -> ApiKey:
    """Raises NotFound. ``organization`` comes from ``organization_for``."""
    found = organization.api_keys.select_related("agent", "person").filter(prefix=prefix).first()
    if found is None:
        raise NotFound(_("key"))
    return found


def profile_for(organization: Organization, name: str) -> EnvironmentProfile:
    """Raises NotFound. ``organization`` comes from ``organization_for``."""
    found = organization.environment_profiles.select_related("organization").filter(name=name).first()
    if found is None:
        raise NotFound(_("environment profile"))
    return found


def webhook_for(actor: Actor, organization: Organization, number: UUID) -> Webhook:
    """For owners only: an address may hold a secret. Raises NotFound, Unauthenticated or Forbidden.

    ``organization`` comes from ``organization_for``.
    """
    actor.require("admin", organization.pk)
    found = organization.webhooks.select_related("organization").filter(pk=number).first()
    if found is None:
        raise NotFound(_("webhook"))
    return found


def delivery_for(webhook: Webhook, number: int) -> WebhookDelivery:
    """Raises NotFound. ``webhook`` comes from ``webhook_for``."""
    found = webhook.deliveries.select_related("webhook__organization", "event").filter(pk=number).first()
    if found is None:
        raise NotFound(_("delivery"))
    return found


def invitation_for(token: str) -> Invitation:
    """Whoever holds the link may read it; its ``generation`` is the link's own. Raises NotFound."""
    number, generation = read_token(token)
    found = Invitation.objects.select_related("organization").filter(pk=number, generation=generation).first()
    if found is None:
        raise NotFound(_("invitation"))
    return found


def open_invitation_for(organization: Organization, number: UUID) -> Invitation:
    """Raises NotFound. ``organization`` comes from ``organization_for``."""
    found = organization.invitations.select_related("organization").filter(pk=number, accepted_at__isnull=True).first()
    if found is None:
        raise NotFound(_("invitation"))
    return found


def export_for(actor: Actor, number: UUID) -> PersonExport:
    """A finished export of the person's own, in a session. Raises NotFound."""
    rows = PersonExport.objects.filter(pk=number, expires_at__gt=timezone.now())
    is_session = actor.kind == "person" and actor.id is not None and actor.api_key_id is None
    found = rows.filter(person_id=actor.id or 0).first() if is_session else None
    if found is None:
        raise NotFound(_("export"))
    return found

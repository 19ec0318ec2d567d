"""Who is asking, and the doors to organizations."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import AGENT_SCOPES, ANONYMOUS, ROLE_SCOPES, Actor, Role, Scope
from accounts.domain.api_keys import digest, prefix_of
from accounts.domain.refusals import NotFound, Unauthenticated
from accounts.models import ApiKey, Membership, Organization

ACTING_ORGANIZATION = "acting_organization"
"""The session's key for the slug of the organization a person acts for."""
LAST_USED_STEP = timedelta(minutes=1)


def actor_of(request: Any) -> Actor:
    """The actor of an API or page request. Raises Unauthenticated for a key that is no longer good."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, Actor):
        return auth
    plain: HttpRequest = getattr(request, "_request", request)
    known = getattr(plain, "keiken_actor", None)
    if known is None:
        known = _session_actor(plain)
        plain.keiken_actor = known  # type: ignore[attr-defined]  # one look-up a request is enough
    assert isinstance(known, Actor)
    return known


def _session_actor(request: HttpRequest) -> Actor:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return ANONYMOUS
    memberships = Membership.objects.filter(person_id=user.pk).select_related("organization").order_by("created_at", "pk")
    wanted = request.session.get(ACTING_ORGANIZATION, "")
    found = list(memberships)
    chosen = next((member for member in found if member.organization.slug == wanted), found[0] if found else None)
    return person_actor(user, chosen)


def person_actor(person: Any, membership: Membership | None) -> Actor:
    """A person acting for the organization of a membership, or for none."""
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


def key_actor(text: str) -> tuple[Any, Actor]:
    """The holder and the actor of an API key, by one query.

    Raises Unauthenticated ``key_malformed``, ``key_unknown``, ``key_revoked`` or ``key_expired``.
    """
    prefix = prefix_of(text)
    if prefix is None:
        raise _refuse("key_malformed", _("This is no API key, or a character of it is wrong."))
    key = ApiKey.objects.select_related("organization", "agent", "person").filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(key.secret_sha256, digest(text)):
        raise _refuse("key_unknown", _("This key is not known here."))
    holder = key.agent or key.person
    if key.revoked_at is not None or holder is None or not holder.is_active:
        raise _refuse("key_revoked", _("This key was revoked."))
    now = timezone.now()
    if key.expires_at is not None and key.expires_at <= now:
        raise _refuse("key_expired", _("This key has expired."))
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_STEP:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return holder, _actor_of_key(key)


def _actor_of_key(key: ApiKey) -> Actor:
    allowed: frozenset[Scope] = AGENT_SCOPES
    holder: Any = key.agent
    if key.person is not None:
        # What a person may do can shrink after the key was made; the key shrinks with it.
        holder = key.person
        role = key.organization.memberships.filter(person=key.person).values_list("role", flat=True).first()
        allowed = ROLE_SCOPES[role] if role else frozenset()  # type: ignore[index]  # one of the four roles
    return Actor(
        kind="person" if key.person else "agent",
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


def organization_for(actor: Actor, slug: str) -> Organization:
    """The organization the actor acts for. Another one reads like an absent one. Raises NotFound."""
    found = Organization.objects.select_related("group").filter(slug=slug).first()
    if found is None or not actor.acts_for(found.pk):
        raise NotFound(_("organization"))
    return found

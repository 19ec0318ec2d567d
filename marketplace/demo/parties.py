"""The demo's organizations, people and keys: made once through the product's own use cases, kept in its data folder."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from accounts.actors import AGENT_SCOPES, ROLE_SCOPES, Actor
from accounts.models import Agent, ApiKey, Organization, Person


@dataclass(frozen=True)
class Login:
    email: str
    password: str
    what: str


PEOPLE = {
    "hana@acme.example": "owner of acme, which publishes",
    "ken@globex.example": "owner of globex, which replays",
}
ORGANIZATIONS = {
    "acme": ("Acme Platform Team", "hana@acme.example"),
    "globex": ("Globex Operations", "ken@globex.example"),
}


def demo_dir() -> Path:
    return Path(settings.KEIKEN.data_dir) / "demo"


def logins() -> list[Login]:
    """The demo people with their passwords; empty before the first demo."""
    kept = _kept("passwords.json")
    return [Login(email, kept[email], what) for email, what in PEOPLE.items() if email in kept]


def make_parties() -> dict[str, Actor]:
    """Each organization's owner as an actor; what exists is used again."""
    from accounts.services.create_organization import create_organization

    passwords = _kept("passwords.json")
    for email in PEOPLE:
        passwords.setdefault(email, secrets.token_urlsafe(9))
        if not Person.objects.filter(email=email).exists():
            Person.objects.create_user(email, passwords[email], name=email.split("@")[0].title())
    _keep("passwords.json", passwords)
    for slug, (name, email) in ORGANIZATIONS.items():
        if not Organization.objects.filter(slug=slug).exists():
            create_organization(person=Person.objects.get(email=email), slug=slug, name=name)
    return {slug: owner_actor(slug) for slug in ORGANIZATIONS}


def owner_actor(slug: str) -> Actor:
    organization = Organization.objects.get(slug=slug)
    owner = Person.objects.get(email=ORGANIZATIONS[slug][1])
    return Actor(
        kind="person",
        id=owner.id,
        name=str(owner),
        organization_id=organization.id,
        organization_slug=slug,
        group_id=organization.group_id,
        scopes=ROLE_SCOPES["owner"],
    )


def agent_key(owner: Actor, name: str) -> str:
    """The secret of the demo agent's key, issued once."""
    from accounts.services.create_agent import create_agent
    from accounts.services.issue_key import issue_key

    kept = _kept("keys.json")
    label = f"{owner.organization_slug}/{name}"
    if label not in kept:
        organization = Organization.objects.get(slug=owner.organization_slug)
        agent = Agent.objects.filter(organization=organization, name=name).first() or create_agent(
            actor=owner, organization=organization, name=name
        )
        _row, kept[label] = issue_key(
            actor=owner, organization=organization, agent=agent, name="demo", scopes=sorted(AGENT_SCOPES)
        )
        _keep("keys.json", kept)
    return str(kept[label])


def revoke_agent_key(owner: Actor, name: str) -> None:
    """Revoke the demo agent's key; already revoked is fine."""
    from accounts.services.revoke_key import revoke_key

    for row in ApiKey.objects.filter(
        agent__name=name, organization__slug=owner.organization_slug, revoked_at__isnull=True
    ):
        revoke_key(actor=owner, key=row)


def _kept(name: str) -> dict[str, str]:
    path = demo_dir() / name
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _keep(name: str, values: dict[str, str]) -> None:
    path = demo_dir() / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(values, file)

"""People, organizations and keys for tests, made through the product's own use cases."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from accounts.actors import AGENT_SCOPES, ROLE_SCOPES, Actor
from accounts.models import ApiKey, Organization, Person

_numbers = itertools.count(1)
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Key:
    """An API key with its secret, as its holder has it."""

    row: ApiKey
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """For Django's test client: ``client.get(url, headers=key.headers)``."""
        return {"Authorization": f"Bearer {self.secret}"}


def person(email: str = "", **fields: object) -> Person:
    return Person.objects.create_user(email or f"person{next(_numbers)}@example.com", PASSWORD, **fields)


def organization(slug: str = "", owner: Person | None = None) -> Organization:
    from accounts.services.create_organization import create_organization

    slug = slug or f"org-{next(_numbers)}"
    return create_organization(person=owner or person(), slug=slug, name=slug.title())


def owner_of(organization: Organization) -> Person:
    return organization.memberships.filter(role="owner").select_related("person").get().person


def owner_actor(organization: Organization) -> Actor:
    owner = owner_of(organization)
    return Actor(
        kind="person",
        id=owner.id,
        name=str(owner),
        organization_id=organization.id,
        organization_slug=organization.slug,
        group_id=organization.group_id,
        scopes=ROLE_SCOPES["owner"],
    )


def agent_key(organization: Organization, *scopes: str) -> Key:
    """A key of a fresh agent; all agent scopes unless some are named."""
    from accounts.services.create_agent import create_agent
    from accounts.services.issue_key import issue_key

    actor = owner_actor(organization)
    agent = create_agent(actor=actor, organization=organization, name=f"agent-{next(_numbers)}")
    row, secret = issue_key(
        actor=actor,
        organization=organization,
        agent=agent,
        name="tests",
        scopes=sorted(scopes or AGENT_SCOPES),
    )
    return Key(row, secret)

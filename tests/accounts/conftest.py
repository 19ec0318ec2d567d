"""An organization with one person of each role, an agent, and somebody from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.access import person_actor
from accounts.actors import Actor
from accounts.models import Agent, ApiKey, AuditEntry, Membership, Organization, Person
from tests import factories
from tests.kept import KEPT

ROLES = ("owner", "publisher", "buyer", "viewer")
STRANGER, OUTSIDER, AGENT = "a stranger", "an owner of another organization", "an agent with every scope it may have"
READING_AGENT = "an agent that may only read"
ASKERS = (STRANGER, OUTSIDER, *ROLES, AGENT, READING_AGENT)


@pytest.fixture(autouse=True)
def _fast_and_fresh(settings: Any) -> None:
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def actor_for(person: Person, organization: Organization, **parts: Any) -> Actor:
    """The person as a session of theirs acts for the organization."""
    member = Membership.objects.select_related("organization").get(person=person, organization=organization)
    actor = person_actor(person, member)
    return Actor(**{**{name: getattr(actor, name) for name in Actor.__dataclass_fields__}, **parts})


@dataclass
class House:
    acme: Organization
    globex: Organization
    people: dict[str, Person]
    agent: Agent
    keys: dict[str, factories.Key] = field(default_factory=dict)

    @property
    def owner(self) -> Actor:
        return actor_for(self.people["owner"], self.acme)

    def actor(self, role: str) -> Actor:
        return actor_for(self.people[role], self.acme)

    def ask(self, asker: str, method: str, path: str, body: Any = None) -> Any:
        """The answer to an API request of that asker."""
        client, headers = Client(), {}
        if asker in (AGENT, READING_AGENT):
            headers = self.keys[asker].headers
        elif asker == OUTSIDER:
            client.force_login(factories.owner_of(self.globex))
        elif asker != STRANGER:
            client.force_login(self.people[asker])
        return client.generic(
            method,
            f"/api/v1/{path}",
            b"" if body is None else _json(body),
            content_type="application/json" if body is not None else "application/octet-stream",
            headers=headers,
        )


def _json(body: Any) -> bytes:
    import json

    return json.dumps(body).encode()


@pytest.fixture
def house(db: None) -> House:
    kept: House = KEPT.give("house")
    return kept


@pytest.fixture
def committed_house(transactional_db: None) -> House:
    """For tests with threads: they only see what is committed."""
    return make_house()


def make_house() -> House:
    acme, globex = factories.organization("acme"), factories.organization("globex")
    people = {"owner": factories.owner_of(acme)}
    for role in ROLES[1:]:
        people[role] = factories.person(f"{role}@acme.example", name=role.title())
        Membership.objects.create(person=people[role], organization=acme, role=role)
    keys = {AGENT: factories.agent_key(acme), READING_AGENT: factories.agent_key(acme, "read")}
    agent = Agent.objects.get(api_keys=keys[AGENT].row)
    return House(acme, globex, people, agent, keys)


SNAPSHOT: dict[Any, tuple[str, ...]] = {
    Organization: ("id", "slug", "name", "group_id"),
    Membership: ("id", "person_id", "organization_id", "role"),
    Agent: ("id", "name", "is_active"),
    ApiKey: ("id", "prefix", "scopes", "expires_at", "revoked_at"),
    AuditEntry: ("id", "action", "target"),
    Person: ("id", "email", "is_active"),
}


def snapshot() -> dict[str, list[Any]]:
    """All that a refusal must leave as it is."""
    return {model.__name__: list(model.objects.order_by("pk").values_list(*names)) for model, names in SNAPSHOT.items()}


def unchanged(act: Callable[[], Any]) -> Any:
    """The result of ``act``, which must have changed nothing."""
    before = snapshot()
    result = act()
    assert snapshot() == before
    return result

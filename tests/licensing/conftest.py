"""Acme publishes and offers; globex wants to use it; initech only looks. Each with people of every role."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from guardian.models import GroupObjectPermission

from accounts.actors import Actor
from accounts.models import AuditEntry, Membership, Organization, Person
from experiences.models import Experience
from licensing.models import Acceptance, Grant, Offer, Terms
from licensing.services.accept_offer import accept_offer
from licensing.services.create_offer import create_offer
from licensing.services.create_terms import create_terms
from tests import factories
from tests.accounts.conftest import actor_for
from tests.kept import KEPT
from tests.licensing import stripe_server
from tests.licensing.stripe_double import StripeDouble

TEXT = "You may replay this. Nothing else.\n\n経験を再生できます。\n"
ROLES = ("owner", "publisher", "buyer", "viewer")
BOTH = {"download_experience", "replay_experience"}


@pytest.fixture(autouse=True)
def _fast_and_fresh(settings: Any) -> None:
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@dataclass
class Shop:
    acme: Organization
    globex: Organization
    initech: Organization
    people: dict[str, Person]
    """By ``<role> of <organization>``."""
    public: Experience
    private: Experience
    terms: Terms
    inner_terms: Terms
    free: Offer
    inner: Offer
    free_of_private: Offer

    def actor(self, who: str) -> Actor:
        organization = {"acme": self.acme, "globex": self.globex, "initech": self.initech}[who.rsplit(" ", 1)[1]]
        return actor_for(self.people[who], organization)

    @property
    def publisher(self) -> Actor:
        return self.actor("publisher of acme")

    @property
    def buyer(self) -> Actor:
        return self.actor("buyer of globex")

    def accept(self, offer: Offer | None = None, actor: Actor | None = None) -> Grant:
        offer = offer or self.free
        return accept_offer(actor=actor or self.buyer, offer_id=offer.pk, terms_sha256=offer.terms.text_sha256)

    def write_terms(
        self, name: str = "acme-standard", text: str = TEXT, uses: Iterable[str] = ("replay", "read")
    ) -> Terms:
        return create_terms(
            actor=self.publisher, organization=self.acme, name=name, kind="custom", text=text, uses=list(uses)
        )

    def offer(self, terms: Terms, kind: str = "free", grant_days: int | None = None) -> Offer:
        return create_offer(actor=self.publisher, experience=self.public, terms=terms, kind=kind, grant_days=grant_days)

    def ask(self, asker: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        client = Client()
        if asker.startswith("agent of "):
            organization = self.acme if asker.endswith("acme") else self.globex
            headers |= factories.agent_key(organization).headers
        elif asker != "stranger":
            client.force_login(self.people[asker])
        return client.generic(
            method,
            f"/api/v1/{path}",
            b"" if body is None else json.dumps(body).encode(),
            content_type="application/json" if body is not None else "application/octet-stream",
            headers=headers,
        )


@pytest.fixture
def shop(db: None) -> Shop:
    kept: Shop = KEPT.give("shop")
    return kept


@pytest.fixture
def committed_shop(transactional_db: None) -> Shop:
    return make_shop()


def make_shop() -> Shop:
    organizations = {slug: factories.organization(slug) for slug in ("acme", "globex", "initech")}
    people = {f"owner of {slug}": factories.owner_of(row) for slug, row in organizations.items()}
    for slug in ("acme", "globex"):
        for role in ROLES[1:]:
            person = factories.person(f"{role}@{slug}.example")
            Membership.objects.create(person=person, organization=organizations[slug], role=role)
            people[f"{role} of {slug}"] = person
    acme = organizations["acme"]
    public = Experience.objects.create(organization=acme, name="greet", title="Greet", visibility="public")
    private = Experience.objects.create(organization=acme, name="inner", title="Inner", visibility="organization")
    actor = actor_for(people["publisher of acme"], acme)
    terms, inner_terms = (
        create_terms(actor=actor, organization=acme, name=name, kind="custom", text=text, uses=["replay", "read"])
        for name, text in (("acme-standard", TEXT), ("acme-inner", "For us only."))
    )
    free = create_offer(actor=actor, experience=public, terms=terms, kind="free")
    inner = create_offer(actor=actor, experience=public, terms=inner_terms, kind="organization")
    of_private = create_offer(actor=actor, experience=private, terms=inner_terms, kind="free")
    rows = [organizations[slug] for slug in ("acme", "globex", "initech")]
    return Shop(*rows, people, public, private, terms, inner_terms, free, inner, of_private)


def permissions(organization: Organization, experience: Experience) -> set[str]:
    rows = GroupObjectPermission.objects.filter(group_id=organization.group_id, object_pk=str(experience.pk))
    return set(rows.values_list("permission__codename", flat=True))


def move(grant: Grant, *, starts_at: datetime, ends_at: datetime | None) -> None:
    """As if it had been given then. Time itself cannot be waited for."""
    Grant.objects.filter(pk=grant.pk).update(starts_at=starts_at, ends_at=ends_at)


WEBHOOK_SECRET = "whsec_loopback"


@pytest.fixture
def stripe(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeDouble]:
    # Loopback is never behind a proxy; looking for one in the environment is a tenth of each call.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with stripe_server.running(int(time.time()) - 10_000) as (double, address):
        settings.KEIKEN = settings.KEIKEN.model_copy(
            update={
                "stripe_api_key": "sk_test_loopback",
                "stripe_api_base": address,
                "stripe_webhook_secret": WEBHOOK_SECRET,
                "fee_basis_points": 1000,
            }
        )
        yield double


SNAPSHOT: dict[Any, tuple[str, ...]] = {
    Terms: ("id", "name", "version", "text_sha256"),
    Offer: ("id", "kind", "terms_id", "is_active", "grant_days"),
    Acceptance: ("id", "organization_id", "text_sha256"),
    Grant: ("id", "starts_at", "ends_at", "revoked_at", "revoked_reason", "closed_at"),
    GroupObjectPermission: ("id",),
}


def snapshot() -> dict[str, list[Any]]:
    """All that a refusal must leave as it is."""
    found = {
        model.__name__: list(model.objects.order_by("pk").values_list(*names)) for model, names in SNAPSHOT.items()
    }
    rows = AuditEntry.objects.exclude(action__in=["agent.create", "key.issue"])
    return {**found, "AuditEntry": list(rows.order_by("pk").values_list("id", "action"))}

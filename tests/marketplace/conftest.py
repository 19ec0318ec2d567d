"""A small market for tests: acme publishes, globex buys, initech only looks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Organization
from experiences.models import Attestation, Environment, Experience, ScenarioResult, Verification, Version
from licensing.models import Acceptance, Grant, Offer
from marketplace.models import Case, CaseEntry, Rating, ReplayReport
from tests import factories
from tests.kept import KEPT
from tests.packages import package_bytes

TERMS_TEXT = "You may replay this. Nothing else.\n\n経験を再生できます。\n"


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    cache.clear()


@dataclass
class Market:
    acme: Organization
    globex: Organization
    initech: Organization
    public: Version
    private: Version
    offer: Offer

    def key(self, organization: Organization, *scopes: str) -> factories.Key:
        return factories.agent_key(organization, *scopes)

    def grant(self) -> Grant:
        """globex accepts acme's free offer."""
        from licensing.services.accept_offer import accept_offer

        return accept_offer(
            actor=factories.owner_actor(self.globex),
            offer_id=self.offer.id,
            terms_sha256=self.offer.terms.text_sha256,
        )

    def revoke(self, grant: Grant) -> None:
        from licensing.services.revoke_grant import revoke_grant

        revoke_grant(actor=factories.owner_actor(self.acme), grant_id=grant.id, reason="test")

    def signed_in(self, organization: Organization | None) -> Client:
        client = Client()
        if organization is not None:
            client.force_login(factories.owner_of(organization))
        return client


def publish(organization: Organization, *, visibility: str = "public", **parts: Any) -> Version:
    from experiences.services.publish import publish as publish_version

    return publish_version(
        actor=factories.owner_actor(organization),
        organization_slug=organization.slug,
        archive=package_bytes(**parts),
        visibility=visibility,
    ).version


@pytest.fixture
def market(db: None) -> Market:
    kept: Market = KEPT.give("market")
    return kept


def open_market() -> Market:
    from licensing.services.create_offer import create_offer
    from licensing.services.create_terms import create_terms

    acme, globex, initech = (factories.organization(slug) for slug in ("acme", "globex", "initech"))
    public = publish(acme)
    private = publish(acme, visibility="organization", name="inner-greeting", title="Greet inside")
    actor = factories.owner_actor(acme)
    terms = create_terms(
        actor=actor, organization=acme, name="acme-standard", kind="custom", text=TERMS_TEXT, uses=["replay", "read"]
    )
    offer = create_offer(actor=actor, experience=public.experience, terms=terms, kind="free")
    return Market(acme, globex, initech, public, private, offer)


def judge(version: Version, verdict: str = "passed", *, environment: str = "debian-12", **parts: Any) -> Verification:
    """The open verification of that environment, concluded as a worker would have."""
    row, _created = Verification.objects.get_or_create(
        version=version, environment_name=environment, defaults={"trigger": "publish"}
    )
    row.environment, _created = Environment.objects.get_or_create(name=environment, digest="sha256:" + "e" * 64)
    row.state, row.verdict, row.isolation = "done", verdict, "namespace"
    row.started_at = row.finished_at = timezone.now()
    row.save()
    Attestation.objects.get_or_create(verification=row, defaults={"envelope": {"payload": "e30=", "signatures": []}})
    for scenario in version.manifest["scenarios"]:
        ScenarioResult.objects.create(
            verification=row,
            scenario=scenario["name"],
            verdict=verdict,
            reason=parts.get("reason", ""),
            report=report_of(version, **parts.get("report", {})),
        )
    return row


def report_of(version: Version, /, **parts: Any) -> dict[str, Any]:
    """A replay report of the version as its replayer would send it."""
    return {
        "replay_id": str(uuid.uuid4()),
        "experience": str(version.experience),
        "version": version.version,
        "digest": version.blob_id,
        "outcome": "succeeded",
        "facts": {"os.family": "linux"},
        "steps": [
            {
                "id": "write",
                "action": "file",
                "command": "write work/draft.txt",
                "status": "succeeded",
                "attempts": 1,
                "duration_seconds": 0.2,
                "checks": [{"kind": "expect", "expression": "file('work/draft.txt').exists", "holds": True}],
            }
        ],
        "started_at": datetime(2026, 11, 23, tzinfo=UTC).isoformat().replace("+00:00", "Z"),
        "duration_seconds": 1.5,
        "replayer": "keiken 0.1.0",
        **parts,
    }


def counts() -> dict[str, int]:
    """How many rows there are of everything a refusal must not touch."""
    models = (Acceptance, Case, CaseEntry, Experience, Grant, Rating, ReplayReport, Verification, Version)
    return {model.__name__: model.objects.count() for model in models}


def audit(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("id"))

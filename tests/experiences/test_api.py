"""The HTTP API of versions: who sees what, yanking, asking for another proof, attestations and keys."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, Organization
from experiences.models import Experience, PublicKey, Verification, Version
from experiences.services import offer_keys
from experiences.services.attest import attest
from experiences.services.signing import signing_key
from keiken.trust import verify
from keiken.trust.keys import PublicKey as TrustedKey
from tests import factories
from tests.experiences.conftest import concluded, open_row, publish


@pytest.fixture(autouse=True)
def _no_messages(sent: list[Any]) -> None:
    """Nobody needs to be woken here."""


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


VERSION = "/api/v1/experiences/acme/write-greeting/versions"


def get(path: str, key: factories.Key | None = None) -> Any:
    return Client().get(path, headers=key.headers if key else {})


def post(path: str, key: factories.Key, body: dict[str, Any] | None = None) -> Any:
    return Client().post(path, data=body or {}, content_type="application/json", headers=key.headers)


def test_a_version_tells_of_every_verification_newest_first(version: Version) -> None:
    attest(verification_id=str(concluded(version).pk))
    open_row(version)
    body = get(f"{VERSION}/1.0.0").json()
    queued, done = body["verifications"]
    assert (queued["state"], queued["verdict"], queued["attestation_url"], queued["finished_at"]) == (
        "queued",
        "",
        None,
        None,
    )
    assert (done["state"], done["verdict"], done["isolation"]) == ("done", "passed", "namespace")
    assert done["attestation_url"] == f"{VERSION}/1.0.0/attestations"
    assert sorted(item["scenario"] for item in done["scenarios"]) == ["greets", "refuses another family"]
    assert {"organization", "name", "version", "digest", "size", "published_at", "manifest", "skill"} <= set(body)


def test_latest_is_the_highest_that_was_not_yanked(acme: Organization, version: Version) -> None:
    publish(acme, version="1.1.0")
    assert get(f"{VERSION}/latest").json()["version"] == "1.1.0"
    key = factories.agent_key(acme)
    assert post(f"{VERSION}/1.1.0/yank", key, {"reason": "wrong"}).status_code == 200
    assert get(f"{VERSION}/latest").json()["version"] == "1.0.0"
    yanked = get(f"{VERSION}/1.1.0").json()
    assert yanked["yanked_at"] is not None


@pytest.mark.parametrize("path", ["/9.9.9", "/latest/attestations", "/1.0.0%2f..", "/v1"])
def test_what_does_not_exist_and_what_is_hidden_read_the_same(acme: Organization, path: str) -> None:
    publish(acme, visibility="organization")
    stranger = factories.agent_key(factories.organization("globex"))
    hidden, absent = get(VERSION + path, stranger), get("/api/v1/experiences/acme/nothing/versions" + path, stranger)
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.json()["code"] == absent.json()["code"] == "not_found"
    assert hidden.json()["detail"] == absent.json()["detail"]


def test_a_private_version_is_open_to_its_organization_only(acme: Organization) -> None:
    publish(acme, visibility="organization")
    assert get(f"{VERSION}/1.0.0", factories.agent_key(acme)).status_code == 200
    assert get(f"{VERSION}/1.0.0", factories.agent_key(factories.organization("globex"))).status_code == 404
    assert get(f"{VERSION}/1.0.0").status_code == 404


def test_operators_notes_are_for_the_publisher_only(acme: Organization, version: Version) -> None:
    Verification.objects.update(operator_note="Remove /var/cache/keiken/x.")
    globex = factories.organization("globex")
    notes = [
        get(f"{VERSION}/1.0.0", key).json()["verifications"][0]["operator_note"]
        for key in (None, factories.agent_key(globex), factories.agent_key(acme))
    ]
    assert notes == ["", "", "Remove /var/cache/keiken/x."]


# --- yanking


def test_yanking_falls_back_to_the_version_before_with_its_texts(acme: Organization) -> None:
    publish(acme, title="First", topics=["one"])
    publish(acme, version="2.0.0", title="Second", topics=["two"])
    key = factories.agent_key(acme)
    assert post(f"{VERSION}/2.0.0/yank", key, {"reason": "wrong"}).json()["yanked_at"] is not None
    experience = Experience.objects.get()
    assert experience.latest is not None
    assert (experience.latest.version, experience.title, experience.topics) == ("1.0.0", "First", ["one"])
    assert post(f"{VERSION}/2.0.0/yank", key, {"reason": "again"}).status_code == 200
    assert [entry.details for entry in AuditEntry.objects.filter(action="version.yank")] == [{"reason": "wrong"}]
    post(f"{VERSION}/1.0.0/yank", key, {"reason": "all wrong"})
    experience.refresh_from_db()
    assert experience.latest is None
    assert get(f"{VERSION}/latest", key).status_code == 404


def test_a_yanked_version_stays_taken(acme: Organization, version: Version) -> None:
    from accounts.domain.refusals import Conflict

    post(f"{VERSION}/1.0.0/yank", factories.agent_key(acme), {"reason": "wrong"})
    with pytest.raises(Conflict):
        publish(acme, title="Other bytes")


def test_only_the_publisher_may_yank_or_ask_for_a_proof(acme: Organization, version: Version) -> None:
    concluded(version)
    Verification.objects.update(created_at="2026-01-01T00:00:00Z")
    foreign = factories.agent_key(factories.organization("globex"))
    reader = factories.agent_key(acme, "read")
    for path, body in ((f"{VERSION}/1.0.0/yank", {"reason": "x"}), (f"{VERSION}/1.0.0/verifications", {})):
        assert (post(path, foreign, body).status_code, post(path, foreign, body).json()["code"]) == (
            403,
            "wrong_organization",
        )
        assert (post(path, reader, body).status_code, post(path, reader, body).json()["code"]) == (403, "scope_missing")
        assert Client().post(path, data=body, content_type="application/json").status_code == 401
    version.refresh_from_db()
    assert version.yanked_at is None
    assert Verification.objects.count() == 1


def test_a_yank_needs_a_reason(acme: Organization, version: Version) -> None:
    answer = post(f"{VERSION}/1.0.0/yank", factories.agent_key(acme))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    version.refresh_from_db()
    assert version.yanked_at is None


# --- another proof


def test_a_publisher_may_ask_for_another_proof_every_ten_minutes(acme: Organization, version: Version) -> None:
    from datetime import timedelta

    from django.utils import timezone

    key = factories.agent_key(acme)
    refused = post(f"{VERSION}/1.0.0/verifications", key)
    assert (refused.status_code, refused.json()["code"]) == (429, "verified_recently")
    assert 0 < int(refused["Retry-After"]) <= 600
    concluded(version)
    assert post(f"{VERSION}/1.0.0/verifications", key).status_code == 429
    assert Verification.objects.count() == 1

    Verification.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    accepted = post(f"{VERSION}/1.0.0/verifications", key)
    assert accepted.status_code == 202
    first = accepted.json()["verifications"][0]
    assert (first["state"], first["trigger"]) == ("queued", "request")
    assert post(f"{VERSION}/1.0.0/verifications", key).status_code == 429
    assert Verification.objects.count() == 2
    entry = AuditEntry.objects.get(action="verification.enqueue")
    assert entry.details == {"environment": "debian-12", "trigger": "request"}


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_make_one_row() -> None:
    from experiences.services.request_verification import request_verification
    from tests.experiences.conftest import at_once

    acme = factories.organization("acme")
    version = publish(acme)
    concluded(version)
    Verification.objects.update(created_at="2026-01-01T00:00:00Z")
    actor = factories.owner_actor(acme)
    results = at_once(*[lambda: request_verification(actor=actor, version=version)] * 4)
    assert sum(isinstance(result, list) and len(result) == 1 for result in results) == 1
    assert Verification.objects.filter(state="queued").count() == 1


# --- attestations and keys


def test_attestations_verify_with_the_offered_key_alone(version: Version) -> None:
    attest(verification_id=str(concluded(version).pk))
    body = get(f"{VERSION}/1.0.0/attestations").json()
    assert body["digest"] == version.blob_id
    (attestation,) = body["attestations"]
    (offered,) = get("/api/v1/signing-keys").json()["keys"]
    names = {"key_id", "public_key", "not_before", "retired_at", "signed_by", "revoked_at", "revocation"}
    assert set(offered) == names
    key = TrustedKey.from_base64(offered["public_key"])
    assert key.key_id == offered["key_id"]
    statement = verify(attestation["envelope"], [key])
    assert statement["subject"][0]["name"] == "acme/write-greeting@1.0.0"


def test_the_web_server_never_makes_the_signing_key(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, sent: list[Any]
) -> None:
    monkeypatch.setattr(offer_keys, "WAIT_SECONDS", 0.0)
    assert get("/api/v1/signing-keys").json() == {"keys": []}
    assert sent == [("record_signing_key", ())]
    assert not settings.KEIKEN.signing_key_path.exists()
    assert PublicKey.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_first_to_ask_waits_for_the_signing_worker(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from django.db import connection

    monkeypatch.setattr(offer_keys, "WAIT_SECONDS", 60.0)

    def worker() -> None:
        signing_key()
        connection.close()

    timer = threading.Timer(0.3, worker)
    timer.start()
    keys = get("/api/v1/signing-keys").json()["keys"]
    timer.join()
    assert [key["key_id"] for key in keys] == [PublicKey.objects.get().key_id]

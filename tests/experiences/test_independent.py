"""Statements that other verifiers add: taken as they signed them, logged once, and nobody's badge."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.test import Client
from django.utils import timezone

from accounts.models import Organization
from experiences.models import IndependentStatement, LogEntry, Version
from experiences.services.append_to_log import append_missing
from experiences.services.attest import attest
from keiken.trust import SigningKey, Verified, sign, verification_statement
from tests import factories
from tests.experiences.conftest import DIGEST, concluded, publish

PATH = "/api/v1/experiences/acme/write-greeting/versions/1.0.0"


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


@pytest.fixture
def globex(db: None) -> Any:
    return factories.agent_key(factories.organization("globex"))


def envelope(version: Version, key: SigningKey, **parts: Any) -> dict[str, Any]:
    verified = {
        "reference": str(version),
        "package_digest": version.blob_id,
        "verdict": "passed",
        "environment": "debian-12",
        "environment_digest": DIGEST,
        "facts": {},
        "driver": "oci",
        "isolation": "namespace",
        "replayer": "keiken 0.1.0",
        "scenarios": {"greets": parts.get("verdict", "passed")},
        "trigger": "independent",
        "attempt": 1,
        "verified_at": timezone.now(),
        **parts,
    }
    return sign(verification_statement(Verified(**verified)), key)


def submit(client: Client, holder: Any, signed: dict[str, Any], key: SigningKey) -> Any:
    body = {"envelope": signed, "public_key": key.public.as_base64()}
    return client.post(f"{PATH}/independent-statements", body, "application/json", headers=holder.headers)


def test_a_statement_is_kept_once_and_logged_by_the_signing_worker(
    client: Client, version: Version, globex: Any, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    assert attest(verification_id=str(concluded(version).pk)) is not None
    key = SigningKey.generate()
    signed = envelope(version, key)
    with django_capture_on_commit_callbacks(execute=True):
        assert submit(client, globex, signed, key).status_code == 201
    assert ("append_to_log", ()) in sent
    assert submit(client, globex, signed, key).status_code == 200
    (shown,) = client.get(f"{PATH}/attestations").json()["independent"]
    assert (shown["organization"], shown["public_key"], shown["log"]) == ("globex", key.public.as_base64(), None)
    assert shown["envelope"] == signed
    assert append_missing() == 1
    assert append_missing() == 0
    assert client.get(f"{PATH}/attestations").json()["independent"][0]["log"]["index"] == 2
    assert LogEntry.objects.get(index=2).kind == "independent"


@pytest.mark.parametrize(
    "parts",
    [
        {"package_digest": "sha256:" + "f" * 64},
        {"reference": "acme/other@1.0.0"},
        {"verified_at": timezone.now() - timedelta(days=2)},
        {"verified_at": timezone.now() + timedelta(hours=1)},
        {"environment": "x\x00y"},
        {"verdict": "splendid"},
        {"facts": {"x": "y" * 100_000}},
    ],
    ids=["digest", "reference", "old", "future", "environment", "verdict", "size"],
)
def test_what_says_something_else_is_refused_and_not_kept(
    client: Client, version: Version, globex: Any, parts: dict[str, Any]
) -> None:
    key = SigningKey.generate()
    answer = submit(client, globex, envelope(version, key, **parts), key)
    assert (answer.status_code, answer.json()["code"]) == (422, "statement_refused")
    assert IndependentStatement.objects.count() == 0


def test_a_foreign_signature_is_refused(client: Client, version: Version, globex: Any) -> None:
    answer = submit(client, globex, envelope(version, SigningKey.generate()), SigningKey.generate())
    assert (answer.status_code, answer.json()["code"]) == (422, "statement_refused")
    answer = submit(client, globex, {"payload": 7, "signatures": "x"}, SigningKey.generate())
    assert (answer.status_code, answer.json()["code"]) == (422, "statement_refused")


def test_what_a_stranger_adds_to_the_envelope_is_left_out(client: Client, version: Version, globex: Any) -> None:
    key = SigningKey.generate()
    signed = envelope(version, key)
    signed["signatures"][0]["keyid"] = "x" * 1000
    assert submit(client, globex, {**signed, "more": {"x": 1}}, key).status_code == 201
    row = IndependentStatement.objects.get()
    assert row.envelope.keys() == {"payload", "payloadType", "signatures"}
    assert row.envelope["signatures"][0]["keyid"] == key.public.key_id


def test_the_publisher_cannot_vouch_for_itself(client: Client, version: Version, acme: Organization) -> None:
    key = SigningKey.generate()
    answer = submit(client, factories.agent_key(acme), envelope(version, key), key)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_independent")
    assert IndependentStatement.objects.count() == 0


def test_a_day_has_room_for_so_many(
    client: Client, version: Version, globex: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiences.services.submit_statement.STATEMENTS_A_DAY", 1)
    key = SigningKey.generate()
    assert submit(client, globex, envelope(version, key), key).status_code == 201
    answer = submit(client, globex, envelope(version, key), key)
    assert (answer.status_code, answer.json()["code"]) == (429, "statements_too_many")


def test_the_database_keeps_what_was_signed(client: Client, version: Version, globex: Any) -> None:
    key = SigningKey.generate()
    submit(client, globex, envelope(version, key), key)
    for change in ("UPDATE experiences_independentstatement SET verdict = 'x'",
                   "DELETE FROM experiences_independentstatement"):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)

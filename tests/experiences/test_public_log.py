"""Everything that is signed is in the log, once, in order and for good; anybody can prove it."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.test import Client
from django.urls import reverse

from accounts.models import Organization
from experiences.models import Attestation, LogEntry, LogHead, LogNode, PublicKey, Summary, Verification, Version
from experiences.services.append_to_log import append_missing
from experiences.services.attest import attest
from keiken.trust import PublicKey as TrustedKey
from keiken.trust import read_claim, verify
from keiken.trust.checkpoints import read_checkpoint
from keiken.trust.log import LogProof, check_logged, decoded_hashes
from keiken.trust.merkle import leaf_hash, verify_consistency
from keiken.trust.summaries import read_summary
from tests import factories
from tests.experiences.conftest import at_once, concluded, publish

API = "/api/v1"


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


def trusted() -> list[TrustedKey]:
    return [TrustedKey.from_base64(row.public_key) for row in PublicKey.objects.order_by("pk")]


def attested(version: Version, verdict: str = "passed", **parts: Any) -> Attestation:
    attestation = attest(verification_id=str(concluded(version, verdict, **parts).pk))
    assert attestation is not None
    return attestation


def statements(client: Client, version: Version) -> dict[str, Any]:
    path = f"{API}/experiences/acme/{version.experience.name}/versions/{version.version}/attestations"
    answer = client.get(path)
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_stranger_can_check_every_statement_against_the_log(client: Client, version: Version) -> None:
    for verdict in ("passed", "passed", "failed"):
        attested(version, verdict)
    document = statements(client, version)
    checkpoint = read_checkpoint(document["checkpoint"], trusted())
    assert (checkpoint.origin, checkpoint.size) == ("127.0.0.1:8470/log", 6)
    found = [
        check_logged(item["envelope"], LogProof.read(item["log"]), checkpoint)
        for item in [*document["attestations"], document["summary"]]
    ]
    assert found == [4, 2, 0, 5]
    assert [item["is_expired"] for item in document["attestations"]] == [False, False, False]


def test_an_entry_holds_a_digest_and_no_name(client: Client, version: Version) -> None:
    attestation = attested(version)
    entries = client.get(f"{API}/log/entries").json()["entries"]
    assert [(item["index"], item["kind"]) for item in entries] == [(0, "attestation"), (1, "summary")]
    assert json.loads(entries[0]["leaf"]).keys() == {"digest", "kind", "loggedAt"}
    assert "acme" not in json.dumps(entries)
    proof = client.get(f"{API}/log/inclusion", {"digest": entries[0]["digest"], "size": 2}).json()
    checkpoint = read_checkpoint(client.get(f"{API}/log/checkpoint").json()["checkpoint"], trusted())
    assert check_logged(attestation.envelope, LogProof.read(proof), checkpoint) == 0
    assert client.get(f"{API}/log/entries", {"start": 1, "limit": 1}).json()["entries"] == entries[1:]


def test_a_later_log_begins_with_every_earlier_one(client: Client, version: Version) -> None:
    notes = []
    for verdict in ("passed", "failed", "passed", "passed"):
        attested(version, verdict)
        notes.append(read_checkpoint(client.get(f"{API}/log/checkpoint").json()["checkpoint"], trusted()))
    assert [note.size for note in notes] == [2, 4, 6, 8]
    for earlier in notes:
        answer = client.get(f"{API}/log/consistency", {"first": earlier.size, "second": 8}).json()
        assert verify_consistency(
            first=earlier.size,
            second=8,
            first_root=earlier.root,
            second_root=notes[-1].root,
            proof=decoded_hashes(answer["hashes"]),
        )


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("checkpoint", {}, 404, "not_found"),
        ("inclusion", {"index": 0}, 404, "not_found"),
        ("inclusion", {"digest": "x"}, 400, "invalid_request"),
        ("inclusion", {"index": "9" * 30}, 400, "invalid_request"),
        ("inclusion", {}, 404, "not_found"),
        ("consistency", {"first": 0, "second": 1}, 404, "not_found"),
        ("consistency", {"first": 2, "second": 1}, 422, "log_sizes_invalid"),
        ("entries", {"start": -1}, 400, "invalid_request"),
    ],
)
def test_what_is_not_there_is_told_so(
    client: Client, db: None, path: str, query: dict[str, Any], status: int, code: str
) -> None:
    answer = client.get(f"{API}/log/{path}", query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_summary_follows_every_change_of_the_verdict(client: Client, version: Version) -> None:
    seen = []
    for verdict in ("passed", "failed", "flaky", "passed", "passed"):
        attested(version, verdict)
        summary = statements(client, version)["summary"]
        statement = verify(summary["envelope"], trusted())
        claim = read_summary(statement, reference=str(version), package_digest=version.blob_id)
        seen.append((claim.is_passing, dict(claim.environments)["debian-12"]))
        assert len(claim.inputs) == 1
        policy = client.get(f"{API}/verification-policy").json()
        assert policy == client.get(urlsplit(statement["predicate"]["policy"]["uri"]).path).json()
        assert policy["valid_days"] == 30
    assert [result for result, _verdict in seen] == [True, False, False, True, True]
    assert [verdict for _result, verdict in seen] == ["passed", "flaky", "flaky", "passed", "passed"]
    assert Summary.objects.count() == 5


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE experiences_logentry SET leaf = 'x' WHERE index = 0",
        "DELETE FROM experiences_logentry WHERE index = 1",
        "UPDATE experiences_lognode SET hash = 'x'",
        "DELETE FROM experiences_lognode",
        "UPDATE experiences_summary SET is_passing = false",
        "DELETE FROM experiences_loghead",
        "UPDATE experiences_loghead SET size = 1",
        "UPDATE experiences_loghead SET checkpoint = 'x'",
        "INSERT INTO experiences_logentry (index, kind, digest, leaf, logged_at) VALUES (9, 'key', 'a', 'b', now())",
    ],
)
def test_the_database_refuses_to_rewrite_the_log(version: Version, change: str) -> None:
    attested(version)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert (LogEntry.objects.count(), LogHead.objects.get().size) == (2, 2)


def test_what_was_signed_before_the_log_is_appended_once(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiences.services import attest as module

    monkeypatch.setattr(module, "append", lambda head, items, key: None)
    attested(version)
    attested(version, "failed")
    monkeypatch.undo()
    assert LogEntry.objects.count() == 0
    assert append_missing() == 4
    assert append_missing() == 0
    assert (
        list(LogEntry.objects.order_by("index").values_list("kind", flat=True)) == ["attestation"] * 2 + ["summary"] * 2
    )
    note = read_checkpoint(LogHead.objects.get().checkpoint, trusted())
    assert note.size == 4


def test_a_signature_that_cannot_be_logged_is_not_kept(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiences.services import append_to_log

    row = concluded(version)
    monkeypatch.setattr(append_to_log, "sign_checkpoint", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        attest(verification_id=str(row.pk))
    counts = [model.objects.count() for model in (Attestation, Summary, LogEntry, LogNode)]
    assert counts == [0, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_signing_workers_at_once_leave_one_entry_each_and_no_gap() -> None:
    acme = factories.organization("acme")
    rows = [concluded(publish(acme, name=f"write-{n}")) for n in range(4)]
    calls = [lambda pk=str(row.pk): attest(verification_id=pk) for row in rows for _ in range(2)]
    results = at_once(*calls, append_missing, append_missing)
    assert not [result for result in results if isinstance(result, Exception)]
    assert list(LogEntry.objects.order_by("index").values_list("index", flat=True)) == list(range(8))
    assert LogEntry.objects.filter(attestation__isnull=False).count() == 4
    note = read_checkpoint(LogHead.objects.get().checkpoint, trusted())
    leaves = [leaf_hash(leaf.encode()) for leaf in LogEntry.objects.order_by("index").values_list("leaf", flat=True)]
    assert note.size == 8
    assert note.root == _whole(leaves)


def _whole(hashes: list[bytes]) -> bytes:
    """The root of a tree with a power of two leaves, by its definition."""
    import hashlib

    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


def test_a_checkpoint_is_a_note_as_c2sp_defines_it(client: Client, version: Version) -> None:
    attested(version)
    note = client.get(f"{API}/log/checkpoint").json()["checkpoint"]
    origin, size, root, blank, signature, end = note.split("\n")
    assert (origin, size, blank, end) == ("127.0.0.1:8470/log", "2", "", "")
    assert len(base64.b64decode(root)) == 32
    assert signature.startswith(f"— {origin} ")
    assert len(base64.b64decode(signature.rpartition(" ")[2])) == 4 + 64


def test_a_statement_says_until_when_it_counts_and_the_api_says_when_that_is_over(
    client: Client, version: Version
) -> None:
    row = concluded(version)
    old = row.finished_at - timedelta(days=31)
    Verification.objects.filter(pk=row.pk).update(finished_at=old)
    attestation = attest(verification_id=str(row.pk))
    assert attestation is not None
    claim = read_claim(verify(attestation.envelope, trusted()))
    assert claim.valid_until == (old + timedelta(days=30)).isoformat()
    shown = statements(client, version)
    assert (shown["attestations"][0]["is_expired"], shown["summary"]["is_expired"]) == (True, True)


@pytest.mark.parametrize(
    ("days", "text"),
    [(1, "It counts as proof until "), (31, "It has counted as proof until ")],
    ids=["valid", "expired"],
)
def test_the_page_says_until_when_it_counts_and_where_it_is_logged(
    client: Client, version: Version, days: int, text: str
) -> None:
    row = concluded(version)
    finished = row.finished_at - timedelta(days=days)
    Verification.objects.filter(pk=row.pk).update(finished_at=finished)
    assert attest(verification_id=str(row.pk)) is not None
    page = client.get(reverse("verification", args=["acme", "write-greeting", "1.0.0", row.pk])).content.decode()
    assert f"{text}{(finished + timedelta(days=30)).date().isoformat()}" in page
    assert "/api/v1/log/inclusion?index=0" in page
    assert "Entry 0 of the public log" in page

"""One key after the other, and what becomes of what the old ones signed: told by the real client code."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEntry, Organization
from experiences.models import LogEntry, PublicKey, Version
from experiences.services.attest import attest
from experiences.services.signing import signing_key
from keiken.client import Reference, check_proofs
from keiken.errors import TrustError
from keiken.trust import Pins
from keiken.trust.keyring import Keyring
from tests.experiences.conftest import concluded, publish

SERVER = "https://keiken.example"


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


def signed(version: Version, verdict: str = "passed") -> None:
    assert attest(verification_id=str(concluded(version, verdict).pk)) is not None


def keys(*arguments: str) -> str:
    out = StringIO()
    call_command("keys", *arguments, stdout=out)
    return out.getvalue()


def accepted(client: Client, path: Path) -> Keyring:
    return Pins(path).accept(SERVER, client.get("/api/v1/signing-keys").json()["keys"])


def proofs(client: Client, version: Version, ring: Keyring) -> list[str]:
    """The verdicts that hold, as ``keiken attestations`` reads them."""
    path = f"/api/v1/experiences/acme/write-greeting/versions/{version.version}/attestations"
    document: dict[str, Any] = client.get(path).json()
    reference = Reference.parse(str(version))
    return [claim.verdict for claim in check_proofs(document, reference, version.blob_id, ring).claims]


def test_after_a_rotation_old_and_new_statements_verify_with_the_pin_of_old(
    client: Client, version: Version, tmp_path: Path
) -> None:
    signed(version)
    pins = tmp_path / "pins.json"
    before = accepted(client, pins)
    assert "signs from now on" in keys("rotate")
    signed(version)
    ring = accepted(client, pins)
    assert len(ring) == 2
    assert ring[0] == before[0]
    assert list(ring.retired) == [before[0]]
    assert proofs(client, version, ring) == ["passed", "passed"]
    assert signing_key().public == ring[1]
    assert list(LogEntry.objects.order_by("index").values_list("kind", flat=True)) == [
        "attestation",
        "summary",
        "key",
        "attestation",
        "summary",
    ]
    assert AuditEntry.objects.filter(action="signing_key.rotate").count() == 1
    for path in (tmp_path / "data" / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_revoked_key_still_vouches_for_what_was_logged_before(
    client: Client, version: Version, tmp_path: Path
) -> None:
    signed(version)
    pins = tmp_path / "pins.json"
    stolen = accepted(client, pins)[0]
    keys("rotate")
    assert "counts only for what was" in keys("revoke", stolen.key_id[:12], "--reason", "stolen")
    ring = accepted(client, pins)
    assert (stolen in ring, ring.revoked) == (False, {stolen: 3})
    assert proofs(client, version, ring) == ["passed"]
    row = PublicKey.objects.get(key_id=stolen.key_id)
    assert row.revoked_at is not None
    with pytest.raises(TrustError) as caught:
        proofs(client, version, Keyring(ring, revoked={stolen: 0}))
    assert caught.value.code == "key_revoked"


def test_the_key_that_signs_cannot_be_revoked(version: Version) -> None:
    signed(version)
    with pytest.raises(CommandError, match="Rotate first"):
        keys("revoke", signing_key().public.key_id, "--reason", "stolen")
    with pytest.raises(CommandError, match="signing key"):
        keys("revoke", "zz", "--reason", "stolen")
    assert PublicKey.objects.filter(revoked_at__isnull=False).count() == 0
    assert LogEntry.objects.count() == 2


def test_a_key_is_revoked_once(version: Version) -> None:
    signed(version)
    old = signing_key().public.key_id
    keys("rotate")
    keys("revoke", old, "--reason", "stolen")
    with pytest.raises(CommandError, match="revoked already"):
        keys("revoke", old, "--reason", "again")
    assert LogEntry.objects.filter(kind="revocation").count() == 1
    assert "revoked" in keys("list")


def test_a_lost_key_signs_nothing_until_the_operator_says_so(
    client: Client, version: Version, tmp_path: Path, settings: Any
) -> None:
    signed(version)
    pins = tmp_path / "pins.json"
    accepted(client, pins)
    Path(settings.KEIKEN.signing_key_path).unlink()
    row = concluded(version)
    with pytest.raises(TrustError) as caught:
        attest(verification_id=str(row.pk))
    assert caught.value.code == "signing_key_missing"
    with pytest.raises(CommandError, match="rotate --lost"):
        keys("rotate")
    assert PublicKey.objects.count() == 1
    keys("rotate", "--lost")
    assert attest(verification_id=str(row.pk)) is not None
    listed = json.loads(keys("list", "--json"))
    assert [item["retired_at"] is None for item in listed] == [False, True]
    ring = accepted(client, pins)
    assert len(ring) == 1, "nobody vouches for the new key, so it is not pinned"

"""Signed once, from the rows, by the one key; verified with nothing but its public half."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditEntry, Organization
from experiences.models import Attestation, PublicKey, Version
from experiences.services.attest import attest
from experiences.services.signing import signing_key
from keiken.errors import TrustError
from keiken.trust import verify
from keiken.trust.keys import PublicKey as TrustedKey
from keiken.trust.statements import EXTENSION, check_statement
from tests import factories
from tests.experiences.conftest import at_once, concluded, open_row, publish


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


def pinned() -> list[TrustedKey]:
    return [TrustedKey.from_base64(PublicKey.objects.get().public_key)]


def test_an_attestation_says_what_the_rows_say_and_verifies_offline(version: Version) -> None:
    row = concluded(version)
    attestation = attest(verification_id=str(row.pk))
    assert attestation is not None
    statement = verify(attestation.envelope, pinned())
    claim = check_statement(
        statement, package_digest=version.blob_id, reference="acme/write-greeting@1.0.0", verdict="passed"
    )
    assert (claim.environment, claim.isolation, claim.driver) == ("debian-12", "namespace", "bubblewrap")
    assert claim.scenarios == {"greets": "passed", "refuses another family": "passed"}
    assert claim.facts == {"os.family": "linux"}
    assert claim.replayer == "keiken test"
    extension = statement["predicate"][EXTENSION]
    assert (extension["trigger"], extension["attempt"]) == ("publish", 1)
    assert row.finished_at is not None
    assert extension["timeVerified"] == row.finished_at.isoformat()
    entry = AuditEntry.objects.get(action="verification.attest")
    assert entry.details == {"attestation": str(attestation.pk), "key": PublicKey.objects.get().key_id}


@pytest.mark.parametrize("part", ["payload", "signatures"])
def test_one_flipped_bit_is_found(version: Version, part: str) -> None:
    attestation = attest(verification_id=str(concluded(version).pk))
    assert attestation is not None
    envelope = json.loads(json.dumps(attestation.envelope))
    holder, key = (envelope, "payload") if part == "payload" else (envelope["signatures"][0], "sig")
    data = bytearray(b64decode(holder[key]))
    data[len(data) // 2] ^= 1
    from base64 import b64encode

    holder[key] = b64encode(bytes(data)).decode()
    with pytest.raises(TrustError):
        verify(envelope, pinned())


def test_a_failing_verdict_is_signed_as_such(version: Version) -> None:
    attestation = attest(verification_id=str(concluded(version, "failed").pk))
    assert attestation is not None
    claim = check_statement(verify(attestation.envelope, pinned()), package_digest=version.blob_id)
    assert (claim.verdict, claim.is_passing) == ("failed", False)


def test_signing_again_gives_the_same_attestation(version: Version) -> None:
    row = concluded(version)
    first, again = attest(verification_id=str(row.pk)), attest(verification_id=str(row.pk))
    assert first == again
    assert Attestation.objects.count() == 1
    assert AuditEntry.objects.filter(action="verification.attest").count() == 1


def test_what_is_not_concluded_is_not_signed(version: Version) -> None:
    row = open_row(version)
    assert attest(verification_id=str(row.pk)) is None
    assert attest(verification_id="00000000-0000-0000-0000-000000000000") is None
    assert Attestation.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_many_messages_at_once_make_one_attestation_and_one_key() -> None:
    row = concluded(publish(factories.organization("acme")))
    results = at_once(*[lambda: attest(verification_id=str(row.pk))] * 4)
    assert not [result for result in results if isinstance(result, Exception)]
    assert len({result.pk for result in results}) == 1
    assert (Attestation.objects.count(), PublicKey.objects.count()) == (1, 1)


def test_the_key_is_made_once_and_only_its_owner_can_read_it(db: None, settings: Any) -> None:
    first, again = signing_key(), signing_key()
    assert first.public == again.public
    path = Path(settings.KEIKEN.signing_key_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    row = PublicKey.objects.get()
    assert (row.key_id, row.public_key) == (first.public.key_id, first.public.as_base64())


def test_a_key_that_cannot_be_made_signs_nothing(version: Version, settings: Any) -> None:
    folder = Path(settings.KEIKEN.signing_key_path).parent
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    row = concluded(version)
    with pytest.raises(OSError, match="Not a directory"):
        attest(verification_id=str(row.pk))
    assert (Attestation.objects.count(), PublicKey.objects.count()) == (0, 0)


@pytest.mark.parametrize(("queues", "count"), [(["attest", "default"], 1), (["verify"], 0)])
def test_the_signing_worker_and_no_other_shows_its_key_at_start(
    transactional_db: None, queues: list[str], count: int
) -> None:
    from celery import Celery
    from celery.signals import worker_ready

    from experiences import tasks

    app = Celery("test", set_as_current=False)
    app.amqp.queues.select(queues)
    worker = type("Worker", (), {"app": app})()
    worker_ready.send(sender=worker)
    assert tasks.SIGNING_QUEUE == "attest"
    assert PublicKey.objects.count() == count

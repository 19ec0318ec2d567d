"""What is exported is read and verified by the reference tools of in-toto and DSSE, which know nothing of Keiken."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from accounts.models import Organization
from experiences.models import PublicKey, Version
from experiences.services.attest import attest
from keiken.client import Reference, check_proofs
from keiken.client.bundles import bundle_of
from keiken.trust import PublicKey as TrustedKey
from tests.experiences.conftest import concluded, publish


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


@pytest.fixture
def lines(client: Client, version: Version) -> list[dict[str, Any]]:
    """The exported bundle of a proven version."""
    assert attest(verification_id=str(concluded(version).pk)) is not None
    path = "/api/v1/experiences/acme/write-greeting/versions/1.0.0/attestations"
    document = client.get(path).json()
    keys = [TrustedKey.from_base64(row.public_key) for row in PublicKey.objects.all()]
    summary = check_proofs(document, Reference.parse(str(version)), version.blob_id, keys).summary
    assert summary is not None
    return [json.loads(line) for line in bundle_of(document, summary.inputs).splitlines()]


def reference_key() -> SSlibKey:
    row = PublicKey.objects.get()
    public = base64.b64decode(row.public_key).hex()
    return SSlibKey(row.key_id, "ed25519", "ed25519", {"public": public})


def read(line: dict[str, Any]) -> Statement:
    envelope = Envelope.from_dict(json.loads(json.dumps(line)))
    assert envelope.payload_type == "application/vnd.in-toto+json"
    assert list(envelope.verify([reference_key()], 1)) == [reference_key().keyid]
    statement = Statement.copy_from_pb(json_format.Parse(envelope.payload, statement_pb2.Statement()))
    statement.validate()
    return statement


def test_securesystemslib_and_in_toto_accept_every_line(lines: list[dict[str, Any]], version: Version) -> None:
    summary, result = (read(line).pb for line in lines)
    for statement in (summary, result):
        (subject,) = statement.subject
        assert (subject.name, f"sha256:{subject.digest['sha256']}") == (str(version), version.blob_id)
    assert summary.predicate_type == "https://slsa.dev/verification_summary/v1"
    assert result.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"


def test_the_summary_is_a_verification_summary_to_the_reference_schema(lines: list[dict[str, Any]]) -> None:
    predicate = json_format.MessageToDict(read(lines[0]).pb.predicate)
    # The specification says it is a list; the package's schema (0.9.3) has one string.
    assert predicate.pop("verifiedLevels") == ["KEIKEN_PROVEN"]
    parsed = json_format.ParseDict(predicate, vsa_pb2.VerificationSummary(), ignore_unknown_fields=True)
    assert parsed.verification_result == "PASSED"
    assert parsed.resource_uri.endswith("/api/v1/experiences/acme/write-greeting/versions/1.0.0")
    assert "/api/v1/verification-policies/sha256:" in parsed.policy.uri
    assert len(parsed.input_attestations) == 1


def test_the_attestation_is_a_test_result_to_the_reference_schema(lines: list[dict[str, Any]]) -> None:
    predicate = json_format.MessageToDict(read(lines[1]).pb.predicate)
    parsed = json_format.ParseDict(predicate, test_result_pb2.TestResult(), ignore_unknown_fields=True)
    assert parsed.result == "PASSED"
    assert list(parsed.passed_tests) == ["greets", "refuses another family"]
    assert [item.name for item in parsed.configuration] == ["environment:debian-12"]


@pytest.mark.parametrize("part", ["payload", "sig"])
def test_the_reference_tool_refuses_a_changed_byte(lines: list[dict[str, Any]], part: str) -> None:
    holder, name = (lines[1], "payload") if part == "payload" else (lines[1]["signatures"][0], "sig")
    data = bytearray(base64.b64decode(holder[name]))
    data[9] ^= 1
    holder[name] = base64.b64encode(bytes(data)).decode()
    with pytest.raises(VerificationError):
        Envelope.from_dict(lines[1]).verify([reference_key()], 1)

"""What a verification statement says, and when it is about something else."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from keiken.errors import TrustError
from keiken.trust import Verified, check_statement, read_claim, verification_statement

PACKAGE, ENVIRONMENT = "sha256:" + "a" * 64, "sha256:" + "b" * 64
VERIFIED = Verified(
    reference="acme/rotate@1.2.0",
    package_digest=PACKAGE,
    verdict="passed",
    environment="debian-12",
    environment_digest=ENVIRONMENT,
    facts={"os.id": "debian"},
    driver="bubblewrap",
    isolation="namespace",
    replayer="keiken 0.1.0",
    scenarios={"works": "passed", "refuses": "passed"},
    trigger="published",
    attempt=1,
    verified_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
)
EXTENSION = "https://keiken.example/attestation/verification/v1"


def refusal(statement: dict[str, Any], **wanted: str) -> str:
    with pytest.raises(TrustError) as caught:
        check_statement(statement, **{"package_digest": PACKAGE, **wanted})
    assert caught.value.exit_code == 3
    return caught.value.code


def test_the_statement_has_the_shape_of_in_toto_and_test_result() -> None:
    statement = verification_statement(VERIFIED)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": "acme/rotate@1.2.0", "digest": {"sha256": "a" * 64}}]
    predicate = statement["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate["configuration"] == [{"name": "environment:debian-12", "digest": {"sha256": "b" * 64}}]
    assert (predicate["passedTests"], predicate["warnedTests"], predicate["failedTests"]) == (
        ["refuses", "works"],
        [],
        [],
    )
    assert predicate[EXTENSION]["isolationLevel"] == "namespace"
    assert predicate[EXTENSION]["timeVerified"] == "2026-11-23T12:00:00+00:00"


def test_a_proof_that_reached_other_machines_says_which() -> None:
    assert "network" not in verification_statement(VERIFIED)["predicate"][EXTENSION]
    reached = replace(VERIFIED, network=["b.example:443", "a.example:80", "b.example:443"])
    assert verification_statement(reached)["predicate"][EXTENSION]["network"] == ["a.example:80", "b.example:443"]


@pytest.mark.parametrize(
    ("verdict", "result"),
    [
        ("passed", "PASSED"),
        ("flaky", "WARNED"),
        ("precondition_unmet", "WARNED"),
        ("inconclusive", "WARNED"),
        ("failed", "FAILED"),
        ("vacuous", "FAILED"),
        ("limit_exceeded", "FAILED"),
        ("policy_violation", "FAILED"),
    ],
)
def test_each_verdict_has_one_result(verdict: str, result: str) -> None:
    statement = verification_statement(replace(VERIFIED, verdict=verdict, scenarios={"works": verdict}))
    assert statement["predicate"]["result"] == result
    claim = check_statement(statement, package_digest=PACKAGE, reference="acme/rotate@1.2.0", verdict=verdict)
    assert (claim.verdict, claim.is_passing) == (verdict, verdict == "passed")
    assert claim.scenarios == {"works": verdict}


@pytest.mark.parametrize("changed", [{"verdict": "error"}, {"scenarios": {"works": "error"}}])
def test_trouble_of_ours_is_signed_by_nobody(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="never signed"):
        verification_statement(replace(VERIFIED, **changed))


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + "a" * 32])
def test_a_statement_about_no_digest_is_not_made(digest: str) -> None:
    with pytest.raises(ValueError, match="no sha256 digest"):
        verification_statement(replace(VERIFIED, package_digest=digest))


def test_a_statement_about_something_else_is_refused() -> None:
    statement = verification_statement(VERIFIED)
    assert refusal(statement, package_digest=ENVIRONMENT) == "digest_mismatch"
    assert refusal(statement, reference="acme/rotate@1.2.1") == "subject_mismatch"
    assert refusal(statement, verdict="failed") == "verdict_mismatch"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("_type",), "other"),
        (("predicateType",), "https://slsa.dev/provenance/v1"),
        (("subject",), []),
        (("subject",), [{"name": "a", "digest": {"sha256": "a" * 64}}] * 2),
        (("subject",), [{"name": "a", "digest": {"sha256": "short"}}]),
        (("subject",), [None]),
        (("predicate",), "text"),
        (("predicate", "result"), "FAILED"),
        (("predicate", EXTENSION), None),
        (("predicate", EXTENSION, "scenarios"), ["works"]),
        (("predicate", EXTENSION, "verdict"), "failed"),
        (("predicate", EXTENSION, "scenarios"), {"works": "failed"}),
    ],
)
def test_what_contradicts_itself_is_malformed(path: tuple[str, ...], value: Any) -> None:
    statement = copy.deepcopy(verification_statement(VERIFIED))
    holder = statement
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises(TrustError) as caught:
        read_claim(statement)
    assert caught.value.code == "statement_malformed"

"""In-toto statements of what a verification saw: predicate test-result v0.1, with extension fields named by URI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "https://keiken.example/attestation/verification/v1"
"""The one extension field: an object with all that test-result has no place for."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What one verification saw. ``scenarios`` maps names to verdicts."""

    reference: str
    """``organization/name@version``."""
    package_digest: str
    verdict: str
    environment: str
    environment_digest: str
    facts: Mapping[str, Any]
    driver: str
    isolation: str
    replayer: str
    scenarios: Mapping[str, str]
    trigger: str
    attempt: int
    verified_at: datetime


def verification_statement(verified: Verified) -> dict[str, Any]:
    """The statement as JSON."""
    result = "PASSED" if verified.verdict == "passed" else "FAILED"
    return {
        "_type": STATEMENT,
        "subject": [{"name": verified.reference, "digest": {"sha256": _hex(verified.package_digest)}}],
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": result,
            "configuration": [
                {"name": f"environment:{verified.environment}", "digest": {"sha256": _hex(verified.environment_digest)}}
            ],
            "passedTests": sorted(name for name, verdict in verified.scenarios.items() if verdict == "passed"),
            "warnedTests": [],
            "failedTests": sorted(name for name, verdict in verified.scenarios.items() if verdict != "passed"),
            EXTENSION: {
                "verdict": verified.verdict,
                "scenarios": dict(sorted(verified.scenarios.items())),
                "environment": verified.environment,
                "environmentDigest": verified.environment_digest,
                "facts": dict(verified.facts),
                "driver": verified.driver,
                "isolationLevel": verified.isolation,
                "replayer": verified.replayer,
                "trigger": verified.trigger,
                "attempt": verified.attempt,
                "timeVerified": verified.verified_at.isoformat(),
            },
        },
    }


@dataclass(frozen=True)
class Claim:
    """What a statement says, after its signature was verified."""

    reference: str
    package_digest: str
    verdict: str
    environment: str
    isolation: str
    verified_at: str
    scenarios: Mapping[str, str]

    @property
    def is_passing(self) -> bool:
        return self.verdict == "passed"


def read_claim(statement: Mapping[str, Any]) -> Claim:
    """Raises TrustError ``statement_malformed`` where it is not one of ours."""
    try:
        if statement["_type"] != STATEMENT or statement["predicateType"] != TEST_RESULT:
            raise KeyError
        (subject,) = statement["subject"]
        extension = statement["predicate"][EXTENSION]
        verdict = str(extension["verdict"])
        if (statement["predicate"]["result"] == "PASSED") != (verdict == "passed"):
            raise KeyError
        return Claim(
            reference=str(subject["name"]),
            package_digest=f"sha256:{subject['digest']['sha256']}",
            verdict=verdict,
            environment=str(extension["environment"]),
            isolation=str(extension["isolationLevel"]),
            verified_at=str(extension["timeVerified"]),
            scenarios=dict(extension["scenarios"]),
        )
    except (KeyError, TypeError, ValueError):
        raise TrustError("statement_malformed", _("The statement is not about a verification.")) from None


def check_subject(claims: Sequence[Claim], reference: str, package_digest: str) -> None:
    """Every claim must be about this package. Raises TrustError ``digest_mismatch`` or ``subject_mismatch``."""
    for claim in claims:
        if claim.package_digest != package_digest:
            raise TrustError(
                "digest_mismatch",
                _("The package has the digest {found}; what was verified has {expected}.").format(
                    found=package_digest, expected=claim.package_digest
                ),
                _("It was changed after it was verified. Fetch it again with 'keiken pull --fresh'."),
            )
        if claim.reference != reference:
            raise TrustError(
                "subject_mismatch",
                _("The statement is about {found}, not about {expected}.").format(
                    found=claim.reference, expected=reference
                ),
            )


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")

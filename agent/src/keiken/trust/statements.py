"""In-toto statements of what a verification saw: predicate test-result v0.1, with one extension field named by URI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "https://keiken.example/attestation/verification/v1"
"""The one extension field: an object with all that test-result has no place for."""

NEUTRAL = frozenset({"flaky", "precondition_unmet", "inconclusive"})
"""Verdicts that neither prove nor disprove: WARNED."""
_HEX = re.compile(r"[0-9a-f]{64}")


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
    valid_until: datetime | None = None
    """When it no longer counts as proof, by the policy of whoever signs; None for a statement without an end."""
    check_strength: Mapping[str, Any] = field(default_factory=dict)
    """``caught`` of ``n`` mutants with ``lower95`` and ``upper95``; empty where the checks were not graded."""
    network: Sequence[str] = ()
    """``host:port`` of what was reached from the sandbox: a proof with a network can end differently another day."""


def verification_statement(verified: Verified) -> dict[str, Any]:
    """The statement as JSON. Raises ValueError for the verdict ``error``: our own trouble is signed by nobody."""
    if verified.verdict == "error" or "error" in verified.scenarios.values():
        raise ValueError("the verdict 'error' is never signed")
    return {
        "_type": STATEMENT,
        "subject": [{"name": verified.reference, "digest": {"sha256": hex_of(verified.package_digest)}}],
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": _result(verified.verdict),
            "configuration": [
                {
                    "name": f"environment:{verified.environment}",
                    "digest": {"sha256": hex_of(verified.environment_digest)},
                }
            ],
            "passedTests": _names(verified, "PASSED"),
            "warnedTests": _names(verified, "WARNED"),
            "failedTests": _names(verified, "FAILED"),
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
                **({"validUntil": verified.valid_until.isoformat()} if verified.valid_until else {}),
                **({"checkStrength": dict(verified.check_strength)} if verified.check_strength else {}),
                **({"network": sorted(set(verified.network))} if verified.network else {}),
            },
        },
    }


def _result(verdict: str) -> str:
    return "PASSED" if verdict == "passed" else "WARNED" if verdict in NEUTRAL else "FAILED"


def _names(verified: Verified, result: str) -> list[str]:
    return sorted(name for name, verdict in verified.scenarios.items() if _result(verdict) == result)


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
    environment_digest: str = ""
    driver: str = ""
    replayer: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    valid_until: str = ""
    check_strength: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_passing(self) -> bool:
        return self.verdict == "passed"

    def is_expired(self, now: datetime, max_age: timedelta | None = None) -> bool:
        """Whether it counts no longer: by the signer's own policy, or by the reader's stricter ``max_age``."""
        if self.valid_until and now >= datetime.fromisoformat(self.valid_until):
            return True
        return max_age is not None and now >= datetime.fromisoformat(self.verified_at) + max_age


def read_claim(statement: Mapping[str, Any]) -> Claim:
    """Raises TrustError ``statement_malformed`` where it is not one of ours or contradicts itself."""
    try:
        if statement["_type"] != STATEMENT or statement["predicateType"] != TEST_RESULT:
            raise ValueError("another kind of statement")
        (subject,) = statement["subject"]
        predicate = statement["predicate"]
        extension = predicate[EXTENSION]
        verdict, digest = str(extension["verdict"]), str(subject["digest"]["sha256"])
        if predicate["result"] != _result(verdict) or not _HEX.fullmatch(digest):
            raise ValueError("result and verdict, or the digest")
        scenarios = {str(name): str(item) for name, item in extension["scenarios"].items()}
        if verdict == "passed" and set(scenarios.values()) - {"passed", *NEUTRAL}:
            raise ValueError("passed, although a scenario did not")
        times = [str(extension["timeVerified"]), str(extension.get("validUntil") or "")]
        if any(text and datetime.fromisoformat(text).tzinfo is None for text in times):
            raise ValueError("a time without its zone")
        return Claim(
            reference=str(subject["name"]),
            package_digest=f"sha256:{digest}",
            verdict=verdict,
            environment=str(extension["environment"]),
            isolation=str(extension["isolationLevel"]),
            verified_at=times[0],
            valid_until=times[1],
            scenarios=scenarios,
            environment_digest=str(extension["environmentDigest"]),
            driver=str(extension["driver"]),
            replayer=str(extension["replayer"]),
            facts=dict(extension["facts"]),
            check_strength=dict(extension.get("checkStrength", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise TrustError("statement_malformed", _("The statement is not about a verification.")) from None


def check_statement(
    statement: Mapping[str, Any], *, package_digest: str, reference: str = "", verdict: str = ""
) -> Claim:
    """The claim, when it is about exactly this package, and has this ``verdict`` where one is asked for.

    Raises TrustError ``statement_malformed``, ``digest_mismatch``, ``subject_mismatch`` or ``verdict_mismatch``.
    """
    claim = read_claim(statement)
    check_subject([claim], reference or claim.reference, package_digest)
    if verdict and claim.verdict != verdict:
        raise TrustError(
            "verdict_mismatch",
            _("In {environment} the verdict was '{found}', not '{expected}'.").format(
                environment=claim.environment, found=claim.verdict, expected=verdict
            ),
            _("Look at all verdicts with 'keiken attestations'."),
        )
    return claim


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
                _("Fetch the statements again with 'keiken pull --fresh'."),
            )


def hex_of(digest: str) -> str:
    """Raises ValueError for what is no digest: a statement about nothing must not be signed."""
    digits = digest.removeprefix("sha256:")
    if not _HEX.fullmatch(digits):
        raise ValueError(f"{digest!r} is no sha256 digest")
    return digits

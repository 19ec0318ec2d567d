"""What a version's verifications say together, as a SLSA verification summary (slsa.dev/verification_summary/v1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.statements import STATEMENT, hex_of

SUMMARY = "https://slsa.dev/verification_summary/v1"
SUMMARY_EXTENSION = "https://keiken.example/attestation/summary/v1"
PROVEN = "KEIKEN_PROVEN"
"""The verified level. SLSA leaves names of one's own to verifiers, as long as they do not begin with SLSA_."""
_RESULTS = ("PASSED", "FAILED")


@dataclass(frozen=True, kw_only=True)
class Summarized:
    """What goes into a summary. ``inputs`` maps the digests of the attestations it relies on to where they are."""

    reference: str
    package_digest: str
    resource: str
    verifier: str
    replayer: str
    is_passing: bool
    policy: str
    policy_digest: str
    inputs: Mapping[str, str]
    environments: Mapping[str, str]
    """Environment to the last verdict there."""
    verified_at: datetime
    valid_until: datetime


def summary_statement(summarized: Summarized) -> dict[str, Any]:
    """The statement as JSON. A summary that fails keeps ``verifiedLevels`` to ``FAILED``, as the predicate demands."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": summarized.reference, "digest": {"sha256": hex_of(summarized.package_digest)}}],
        "predicateType": SUMMARY,
        "predicate": {
            "verifier": {"id": summarized.verifier, "version": {"keiken": summarized.replayer}},
            "timeVerified": summarized.verified_at.isoformat(),
            "resourceUri": summarized.resource,
            "policy": {"uri": summarized.policy, "digest": {"sha256": hex_of(summarized.policy_digest)}},
            "inputAttestations": [
                {"uri": address, "digest": {"sha256": hex_of(digest)}}
                for digest, address in sorted(summarized.inputs.items())
            ],
            "verificationResult": "PASSED" if summarized.is_passing else "FAILED",
            "verifiedLevels": [PROVEN if summarized.is_passing else "FAILED"],
            SUMMARY_EXTENSION: {
                "environments": dict(sorted(summarized.environments.items())),
                "validUntil": summarized.valid_until.isoformat(),
            },
        },
    }


@dataclass(frozen=True)
class Summary:
    """What a summary says, after its signature was verified."""

    reference: str
    package_digest: str
    is_passing: bool
    verified_at: str
    valid_until: str
    verifier: str
    inputs: tuple[str, ...]
    environments: Mapping[str, str]

    def is_expired(self, now: datetime, max_age: timedelta | None = None) -> bool:
        if now >= datetime.fromisoformat(self.valid_until):
            return True
        return max_age is not None and now >= datetime.fromisoformat(self.verified_at) + max_age


def read_summary(statement: Mapping[str, Any], *, reference: str, package_digest: str) -> Summary:
    """Raises TrustError ``summary_malformed``, ``subject_mismatch`` or ``digest_mismatch``."""
    found = _read(statement)
    if found.package_digest != package_digest:
        raise TrustError(
            "digest_mismatch",
            _("The package has the digest {found}; what was verified has {expected}.").format(
                found=package_digest, expected=found.package_digest
            ),
            _("It was changed after it was verified. Fetch it again with 'keiken pull --fresh'."),
        )
    if found.reference != reference:
        raise TrustError(
            "subject_mismatch",
            _("The statement is about {found}, not about {expected}.").format(
                found=found.reference, expected=reference
            ),
            _("Fetch the statements again with 'keiken pull --fresh'."),
        )
    return found


def _read(statement: Mapping[str, Any]) -> Summary:
    try:
        if statement["_type"] != STATEMENT or statement["predicateType"] != SUMMARY:
            raise ValueError("another kind of statement")
        (subject,) = statement["subject"]
        predicate = statement["predicate"]
        extension = predicate[SUMMARY_EXTENSION]
        is_passing = predicate["verificationResult"] == "PASSED"
        levels: Sequence[Any] = predicate["verifiedLevels"]
        times = str(predicate["timeVerified"]), str(extension["validUntil"])
        if predicate["verificationResult"] not in _RESULTS or list(levels) != [PROVEN if is_passing else "FAILED"]:
            raise ValueError("result and levels")
        if any(datetime.fromisoformat(text).tzinfo is None for text in times):
            raise ValueError("a time without its zone")
        return Summary(
            reference=str(subject["name"]),
            package_digest="sha256:" + hex_of(str(subject["digest"]["sha256"])),
            is_passing=is_passing,
            verified_at=times[0],
            valid_until=times[1],
            verifier=str(predicate["verifier"]["id"]),
            inputs=tuple("sha256:" + hex_of(str(i["digest"]["sha256"])) for i in predicate["inputAttestations"]),
            environments={str(name): str(verdict) for name, verdict in extension["environments"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise TrustError(
            "summary_malformed",
            _("The statement is no summary of a version's verifications."),
            _("Fetch it again. If it stays so, tell the marketplace's operators."),
        ) from None

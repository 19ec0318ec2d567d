"""What a marketplace says for a version, checked whole: signatures, subjects, the public log, the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from keiken.client.references import Reference
from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust import Claim, PublicKey, check_subject, read_claim
from keiken.trust.checkpoints import Checkpoint, read_checkpoint
from keiken.trust.envelopes import verify_signers
from keiken.trust.keyring import Keyring, all_keys, check_times, keyring, still_trusted
from keiken.trust.log import LogProof, check_logged, envelope_digest, not_in_log
from keiken.trust.summaries import Summary, read_summary


@dataclass(frozen=True)
class Statement:
    """One signed statement that was checked. ``index``: of its entry in the log; None where that was not shown."""

    claim: Claim
    digest: str
    index: int | None
    signers: tuple[PublicKey, ...]


@dataclass(frozen=True)
class Proofs:
    """Everything that was checked, statements oldest first."""

    statements: tuple[Statement, ...]
    summary: Summary | None
    summary_index: int | None
    checkpoint: Checkpoint | None

    @property
    def claims(self) -> list[Claim]:
        return [statement.claim for statement in self.statements]

    @property
    def standing(self) -> list[Statement]:
        """The newest statement for each environment."""
        return list({item.claim.environment: item for item in self.statements}.values())

    def proving(self, max_age: timedelta | None = None) -> list[Statement]:
        """Those that stand, passed and have not expired."""
        return proving(self.standing, max_age)


def check_proofs(document: Mapping[str, Any], reference: Reference, digest: str, keys: Iterable[PublicKey]) -> Proofs:
    """Check a document like the answer of ``…/attestations``: what of the log is there must hold.

    Raises TrustError: ``checkpoint_malformed``, ``checkpoint_signature_invalid``, ``log_proof_malformed``,
    ``not_in_log``, ``envelope_malformed``, ``signature_invalid``, ``key_unknown``, ``key_revoked``, ``key_retired``,
    ``statement_malformed``, ``digest_mismatch``, ``subject_mismatch``, ``summary_malformed``,
    ``statements_incomplete`` or ``summary_contradicted``.
    """
    ring = keyring(keys)
    read = [_signed(item["envelope"], reference, digest, ring) for item in document["attestations"]]
    given = document.get("summary")
    summed = _signed_summary(given["envelope"], reference, digest, ring) if given else None
    note = document.get("checkpoint")
    checkpoint = read_checkpoint(note, ring) if note else None
    statements = []
    for item, (claim, signers) in zip(document["attestations"], read, strict=True):
        index = _index(item, checkpoint)
        good = still_trusted(signers, ring, index)
        check_times(good, claim.verified_at, ring)
        statements.append(Statement(claim, envelope_digest(item["envelope"]), index, tuple(good)))
    statements.sort(key=lambda statement: statement.claim.verified_at)
    if given is None or summed is None:
        return Proofs(tuple(statements), None, None, checkpoint)
    summary, signers = summed
    index = _index(given, checkpoint)
    check_times(still_trusted(signers, ring, index), summary.verified_at, ring)
    found = Proofs(tuple(statements), summary, index, checkpoint)
    _check_complete(found, summary)
    return found


def require_logged(proofs: Proofs) -> None:
    """Every statement and the summary are in the log. Raises TrustError ``not_in_log``."""
    is_summary_logged = proofs.summary is None or proofs.summary_index is not None
    if not is_summary_logged or any(statement.index is None for statement in proofs.statements):
        raise not_in_log()


def _signed(envelope: Any, reference: Reference, digest: str, ring: Keyring) -> tuple[Claim, list[PublicKey]]:
    document, signers = verify_signers(envelope, all_keys(ring))
    claim = read_claim(document)
    check_subject([claim], str(reference), digest)
    return claim, signers


def _signed_summary(envelope: Any, reference: Reference, digest: str, ring: Keyring) -> tuple[Summary, list[PublicKey]]:
    document, signers = verify_signers(envelope, all_keys(ring))
    return read_summary(document, reference=str(reference), package_digest=digest), signers


def _index(item: Mapping[str, Any], checkpoint: Checkpoint | None) -> int | None:
    if item.get("log") is None:
        return None
    if checkpoint is None:
        raise not_in_log()
    return check_logged(item["envelope"], LogProof.read(item["log"]), checkpoint)


def _check_complete(proofs: Proofs, summary: Summary) -> None:
    """What the summary relies on is there, and says what it says: nobody left a statement out."""
    by_digest = {statement.digest: statement for statement in proofs.statements}
    if not set(summary.inputs) <= set(by_digest):
        raise TrustError(
            "statements_incomplete",
            _("The summary of {reference} relies on a statement that is missing here.").format(
                reference=summary.reference
            ),
            _("Fetch the statements again: somebody may have left one out, or the file was cut off."),
        )
    relied_on = [by_digest[digest].claim for digest in summary.inputs]
    if summary.is_passing and not any(claim.is_passing for claim in relied_on):
        raise TrustError(
            "summary_contradicted",
            _("The summary says that {reference} passed, and no statement it relies on says so.").format(
                reference=summary.reference
            ),
            _("Do not rely on it, and tell the marketplace's operators."),
        )


def enough_signatures(statements: Sequence[Statement], keys: Sequence[PublicKey], required: int) -> list[PublicKey]:
    """Those of ``keys`` that signed a statement among these. Raises TrustError ``too_few_signatures``."""
    signed = {key for statement in statements for key in statement.signers}
    found = [key for key in dict.fromkeys(keys) if key in signed]
    if len(found) < required:
        raise TrustError(
            "too_few_signatures",
            _("{found} of the {n} keys have signed that it passed; {required} are required.").format(
                found=len(found), n=len(dict.fromkeys(keys)), required=required
            ),
            _("Wait until more verifiers have proven it, or ask one: 'keiken vouch ORG/NAME@VERSION'."),
            {"signed_by": [key.key_id for key in found], "required": required},
        )
    return found


def independent_proofs(
    document: Mapping[str, Any], reference: Reference, digest: str, named: Sequence[PublicKey], proofs: Proofs
) -> list[Statement]:
    """What the ``named`` keys signed of their own, in the log; the newest of each key and environment.

    What others signed is passed over. Raises what ``check_proofs`` raises for a statement of a named key.
    """
    found: dict[tuple[PublicKey, str], Statement] = {}
    ring = Keyring(named)
    for item in document.get("independent") or ():
        signed = [key for key in named if key.as_base64() == item.get("public_key")]
        if not signed:
            continue
        claim, signers = _signed(item["envelope"], reference, digest, ring)
        index = _index(item, proofs.checkpoint)
        if index is None:
            continue
        statement = Statement(claim, envelope_digest(item["envelope"]), index, tuple(signers))
        for key in signers:
            known = found.get((key, claim.environment))
            if known is None or known.claim.verified_at < claim.verified_at:
                found[key, claim.environment] = statement
    return list(found.values())


def proving(statements: Iterable[Statement], max_age: timedelta | None = None) -> list[Statement]:
    """Those that passed and have not expired."""
    now = datetime.now(UTC)
    return [s for s in statements if s.claim.is_passing and not s.claim.is_expired(now, max_age)]

"""Entries of the public log: what is written into it for each signed envelope, and the proof that it is in it.

An entry holds the digest of an envelope and not its content, so that the log can be public although some experiences
are not.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.checkpoints import Checkpoint
from keiken.trust.merkle import HASH_BYTES, PROOF_LIMIT, leaf_hash, verify_inclusion

LEAF_LIMIT = 4096


def canonical(document: Any) -> bytes:
    """The one way a JSON document is written where its bytes are hashed: sorted keys, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def envelope_digest(envelope: Any) -> str:
    """``sha256:…`` over payload, type and signatures. Raises TrustError ``envelope_malformed``."""
    try:
        signatures = [{"keyid": str(item["keyid"]), "sig": str(item["sig"])} for item in envelope["signatures"]]
        parts = {"payload": str(envelope["payload"]), "payloadType": str(envelope["payloadType"])}
        return "sha256:" + hashlib.sha256(canonical({**parts, "signatures": signatures})).hexdigest()
    except (KeyError, TypeError, ValueError):
        raise TrustError(
            "envelope_malformed",
            _("This is no signed statement, or it was damaged."),
            _("Fetch it again with 'keiken pull --fresh'."),
        ) from None


def leaf_of(*, kind: str, digest: str, logged_at: str) -> str:
    """The text of an entry. ``kind`` is attestation, summary, independent, key or revocation."""
    return canonical({"digest": digest, "kind": kind, "loggedAt": logged_at}).decode()


@dataclass(frozen=True)
class LogProof:
    """That an entry is in the log: where, its text, and the hashes that lead from it to the root."""

    index: int
    leaf: str
    hashes: tuple[bytes, ...]

    def document(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "leaf": self.leaf,
            "hashes": [base64.b64encode(item).decode() for item in self.hashes],
        }

    @classmethod
    def read(cls, document: Any) -> LogProof:
        """Raises TrustError ``log_proof_malformed``."""
        try:
            index, leaf, hashes = document["index"], document["leaf"], document["hashes"]
            if type(index) is not int or not isinstance(leaf, str) or len(leaf) > LEAF_LIMIT:
                raise ValueError("index or leaf")
            if not isinstance(hashes, list) or len(hashes) > PROOF_LIMIT:
                raise ValueError("hashes")
            return cls(index, leaf, decoded_hashes(hashes))
        except (KeyError, TypeError, ValueError):
            raise TrustError(
                "log_proof_malformed",
                _("What should prove that a statement is in the public log is damaged."),
                _("Fetch it again. If it stays so, tell the marketplace's operators."),
            ) from None


def decoded_hashes(texts: Any) -> tuple[bytes, ...]:
    """Raises ValueError or TypeError for anything but a list of SHA-256 hashes in base64."""
    found = tuple(base64.b64decode(text, validate=True) for text in texts)
    if any(len(item) != HASH_BYTES for item in found):
        raise ValueError("no hash")
    return found


def check_logged(envelope: Any, proof: LogProof, checkpoint: Checkpoint) -> int:
    """The index of the entry about exactly this envelope in the log of this checkpoint.

    Raises TrustError ``not_in_log`` where the entry is about another envelope or is not in that log.
    """
    is_in = verify_inclusion(
        index=proof.index,
        size=checkpoint.size,
        leaf=leaf_hash(proof.leaf.encode()),
        proof=proof.hashes,
        root=checkpoint.root,
    )
    if not is_in or _entry(proof.leaf).get("digest") != envelope_digest(envelope):
        raise not_in_log()
    return proof.index


def not_in_log() -> TrustError:
    return TrustError(
        "not_in_log",
        _("A signed statement is not in the marketplace's public log, or the proof that it is does not hold."),
        _("Fetch it again. If it stays so, ask the marketplace and do not rely on the statement."),
    )


def _entry(leaf: str) -> Mapping[str, Any]:
    try:
        document = json.loads(leaf)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}

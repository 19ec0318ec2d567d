"""DSSE envelopes (github.com/secure-systems-lab/dsse, version 1) around in-toto statements and other documents.

The type of the payload is signed with it, so that a signed license can never pass for an attestation.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.keys import PublicKey, SigningKey

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PAYLOAD_BYTES_LIMIT = 1 << 20
SIGNATURES_LIMIT = 16
"""Every signature is tried with every key, so a stranger must not choose how many there are."""


def sign(statement: dict[str, Any], key: SigningKey, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """The envelope as JSON: ``payload`` (base64), ``payloadType``, ``signatures``."""
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    envelope = _envelope(payload.encode(), payload_type)
    signature = base64.b64encode(key.sign(envelope.pae())).decode()
    return {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": key.public.key_id, "sig": signature}],
    }


def verify(envelope: Any, keys: Iterable[PublicKey], payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """The statement, when one of ``keys`` signed it as what it should be.

    The key id in an envelope is unauthenticated, so it decides nothing: every signature is tried with every key.
    Raises TrustError ``key_unknown`` when no key is trusted at all, ``envelope_malformed`` or ``signature_invalid``.
    """
    return verify_signers(envelope, keys, payload_type)[0]


def verify_signers(
    envelope: Any, keys: Iterable[PublicKey], payload_type: str = PAYLOAD_TYPE
) -> tuple[dict[str, Any], list[PublicKey]]:
    """The statement and those of ``keys`` that signed it, each once. Raises what ``verify`` raises."""
    trusted = list(dict.fromkeys(keys))
    if not trusted:
        raise TrustError(
            "key_unknown",
            _("No signing key is pinned, so nothing that is signed can be verified."),
            _("Sign in once with 'keiken login'; that pins the marketplace's key."),
        )
    message, payload, signatures = _take_apart(envelope, payload_type)
    signers = [key for key in trusted if any(key.verifies(signature, message) for signature in signatures)]
    if not signers:
        raise TrustError(
            "signature_invalid",
            _("The statement was not signed by a key that is trusted here, or it was changed afterwards."),
            _("Fetch it again. If it stays so, ask the marketplace and do not use the package."),
        )
    try:
        statement = json.loads(payload)
    except (ValueError, RecursionError):
        raise _malformed() from None
    if not isinstance(statement, dict):
        raise _malformed()
    return statement, signers


def add_signature(envelope: dict[str, Any], key: SigningKey) -> dict[str, Any]:
    """The same envelope with one more signature over the same payload. Raises TrustError ``envelope_malformed``."""
    message, _payload, signatures = _take_apart(envelope, str(envelope.get("payloadType")))
    if len(signatures) >= SIGNATURES_LIMIT:
        raise _malformed()
    added = {"keyid": key.public.key_id, "sig": base64.b64encode(key.sign(message)).decode()}
    return {**envelope, "signatures": [*envelope["signatures"], added]}


def _take_apart(envelope: Any, payload_type: str) -> tuple[bytes, bytes, list[bytes]]:
    """The signed message, the payload in it, and the signatures."""
    try:
        if envelope["payloadType"] != payload_type:
            raise _malformed()
        payload = _decode(envelope["payload"])
        signatures = [_decode(item["sig"]) for item in envelope["signatures"]]
    except (KeyError, TypeError, ValueError):
        raise _malformed() from None
    if not 1 <= len(signatures) <= SIGNATURES_LIMIT or len(payload) > PAYLOAD_BYTES_LIMIT:
        raise _malformed()
    message: bytes = _envelope(payload, payload_type).pae()
    return message, payload, signatures


def _envelope(payload: bytes, payload_type: str) -> Envelope:
    """The library also loads what signs by clouds and hardware keys, so it waits until something is signed."""
    from securesystemslib.dsse import Envelope

    return Envelope(payload, payload_type, {})


def _decode(text: Any) -> bytes:
    """Base64 in its one canonical form: the spare bits of the last digit are zero. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("no text")
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical")
    return data


def _malformed() -> TrustError:
    return TrustError(
        "envelope_malformed",
        _("This is no signed statement, or it was damaged."),
        _("Fetch it again with 'keiken pull --fresh'."),
    )

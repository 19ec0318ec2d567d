"""DSSE envelopes (github.com/secure-systems-lab/dsse, version 1) around in-toto statements."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.keys import PublicKey, SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def sign(statement: dict[str, Any], key: SigningKey) -> dict[str, Any]:
    """The envelope as JSON: ``payload`` (base64), ``payloadType``, ``signatures``."""
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    signature = key.sign(envelope.pae())
    envelope.signatures[key.public.key_id] = Signature(key.public.key_id, signature.hex())
    document: dict[str, Any] = envelope.to_dict()
    return document


def verify(envelope: Any, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The statement, when one of ``keys`` signed it.

    The key id in an envelope is unauthenticated, so every signature is tried with every key.
    Raises TrustError ``envelope_malformed`` or ``signature_invalid``.
    """
    message, payload, signatures = _take_apart(envelope)
    trusted = list(keys)
    if not any(key.verifies(signature, message) for key in trusted for signature in signatures):
        raise TrustError(
            "signature_invalid",
            _("The statement was not signed by a key that is trusted here, or it was changed afterwards."),
            _("Fetch it again. If it stays so, ask the marketplace and do not use the package."),
        )
    try:
        statement = json.loads(payload)
    except ValueError:
        raise _malformed() from None
    if not isinstance(statement, dict):
        raise _malformed()
    return statement


def _take_apart(envelope: Any) -> tuple[bytes, bytes, list[bytes]]:
    try:
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise _malformed()
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(item["sig"], validate=True) for item in envelope["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise _malformed() from None
    message: bytes = Envelope(payload, PAYLOAD_TYPE, {}).pae()
    return message, payload, signatures


def _malformed() -> TrustError:
    return TrustError(
        "envelope_malformed",
        _("This is no signed statement, or it was damaged."),
        _("Fetch it again with 'keiken pull --fresh'."),
    )

"""Checkpoints of a log: its size and root in a signed note (c2sp.org/tlog-checkpoint and c2sp.org/signed-note)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.keys import PublicKey, SigningKey
from keiken.trust.merkle import HASH_BYTES

ED25519 = b"\x01"
"""The signature type of c2sp.org/signed-note."""
NOTE_LIMIT = 16_384
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_SIGNATURE = re.compile(r"— ([^ +]+) ([0-9A-Za-z+/=]+)")


@dataclass(frozen=True)
class Checkpoint:
    """A log as it was once: ``origin`` names it, ``root`` is over its first ``size`` entries."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The signed note; the key's name in it is the log's origin. Raises ValueError for an origin that names nothing."""
    if not re.fullmatch(r"[^\s+]+", checkpoint.origin):
        raise ValueError(f"{checkpoint.origin!r} is no name of a log")
    signature = note_key_id(checkpoint.origin, key.public) + key.sign(checkpoint.body.encode())
    return f"{checkpoint.body}\n— {checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def note_key_id(name: str, key: PublicKey) -> bytes:
    """The four bytes that a note's signature begins with."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + key.raw).digest()[:4]


def read_checkpoint(note: object, keys: Iterable[PublicKey]) -> Checkpoint:
    """The checkpoint, when one of ``keys`` signed it under the log's own name.

    Raises TrustError ``checkpoint_malformed`` or ``checkpoint_signature_invalid``.
    """
    if not isinstance(note, str) or len(note) > NOTE_LIMIT:
        raise _malformed()
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise _malformed()
    body = text + "\n"
    checkpoint = _parse(body)
    trusted = list(keys)
    for line in tail[:-1].split("\n"):
        found = _SIGNATURE.fullmatch(line)
        if found is None:
            raise _malformed()
        name, signature = found[1], _decoded(found[2])
        for key in trusted if name == checkpoint.origin else ():
            if signature[:4] == note_key_id(name, key) and key.verifies(signature[4:], body.encode()):
                return checkpoint
    raise TrustError(
        "checkpoint_signature_invalid",
        _("The checkpoint of the public log was not signed by a key that is trusted here, or it was changed."),
        _("Fetch it again. If it stays so, ask the marketplace and do not use the package."),
    )


def _parse(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) < 4 or not lines[0] or not _NUMBER.fullmatch(lines[1]):
        raise _malformed()
    root = _decoded(lines[2])
    if len(root) != HASH_BYTES:
        raise _malformed()
    return Checkpoint(lines[0], int(lines[1]), root)


def _decoded(text: str) -> bytes:
    """Base64 in its one canonical form."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise _malformed() from None
    if base64.b64encode(data).decode() != text:
        raise _malformed()
    return data


def _malformed() -> TrustError:
    return TrustError(
        "checkpoint_malformed",
        _("This is no checkpoint of a public log, or it was damaged."),
        _("Fetch it again. If it stays so, tell the marketplace's operators."),
    )

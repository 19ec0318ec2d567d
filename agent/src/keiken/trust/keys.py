"""Ed25519 keys: one that signs, and public ones that are pinned."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keiken.errors import TrustError
from keiken.i18n import _


@dataclass(frozen=True)
class PublicKey:
    """The raw 32 bytes; ``key_id`` is their SHA-256 in hexadecimal."""

    raw: bytes

    @classmethod
    def from_base64(cls, text: str) -> PublicKey:
        """Raises TrustError ``key_malformed``."""
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise TrustError(
                "key_malformed",
                _("This is no Ed25519 public key."),
                _("The marketplace offers a damaged key; tell its operators."),
            )
        return cls(raw)

    @property
    def key_id(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()

    def as_base64(self) -> str:
        return base64.b64encode(self.raw).decode()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key. It is only ever written by ``save``, readable by its owner alone."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> SigningKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Raises FileNotFoundError, or TrustError ``key_malformed``."""
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise TrustError(
                "key_malformed",
                _("{path} holds no Ed25519 private key.").format(path=path),
                _("Put the right key there, as PEM (PKCS 8) without a password."),
            )
        return cls(private)

    @classmethod
    def load_or_make(cls, path: Path) -> SigningKey:
        """The key in ``path``; made there at first use, also when two processes start at once."""
        try:
            return cls.load(path)
        except FileNotFoundError:
            pass
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            cls.generate().save(temporary)
            with contextlib.suppress(FileExistsError):  # another process was first; its key is the key
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return cls.load(path)

    def save(self, path: Path) -> None:
        """Write a new file that only its owner can read. Raises FileExistsError: a key is never overwritten."""
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(descriptor)

    @property
    def public(self) -> PublicKey:
        return PublicKey(
            self._private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        )

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

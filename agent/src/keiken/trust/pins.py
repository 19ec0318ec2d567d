"""Pinned keys: the first login trusts a marketplace's key, and from then on only what that key vouches for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.envelopes import verify
from keiken.trust.keys import PublicKey

SUCCESSION = "https://keiken.example/attestation/key-succession/v1"


class Pins:
    """The file of pinned keys: server address to public keys, oldest first. Readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keys(self, server: str) -> list[PublicKey]:
        return [PublicKey.from_base64(text) for text in self._read().get(server, [])]

    def accept(self, server: str, offered: Sequence[Mapping[str, Any]]) -> list[PublicKey]:
        """Pin at first sight; later only a successor that a pinned key has signed is added.

        ``offered`` is the list ``keys`` of ``/api/v1/signing-keys``. Raises TrustError ``key_changed``.
        """
        pinned = self.keys(server)
        fresh = [PublicKey.from_base64(str(item["public_key"])) for item in offered]
        if not fresh:
            return pinned
        if not pinned:
            pinned = fresh
        else:
            pinned = _with_successors(pinned, offered)
            if not any(key in pinned for key in fresh):
                raise TrustError(
                    "key_changed",
                    _("{server} now signs with a key that the pinned one does not vouch for.").format(server=server),
                    _("Ask its operators. If the change is right, remove {path} and sign in again.").format(
                        path=self._path
                    ),
                )
        self._write(server, pinned)
        return pinned

    def _read(self) -> dict[str, list[str]]:
        try:
            return dict(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise TrustError("pins_damaged", _("{path} is damaged.").format(path=self._path)) from None

    def _write(self, server: str, keys: Sequence[PublicKey]) -> None:
        document = {**self._read(), server: [key.as_base64() for key in keys]}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=1)
        temporary.replace(self._path)


def _with_successors(pinned: list[PublicKey], offered: Sequence[Mapping[str, Any]]) -> list[PublicKey]:
    result = list(pinned)
    for item in offered:
        key = PublicKey.from_base64(str(item["public_key"]))
        if key in result or not item.get("signed_by"):
            continue
        try:
            statement = verify(item["signed_by"], result)
        except TrustError:
            continue
        if (
            statement.get("predicateType") == SUCCESSION
            and statement.get("predicate", {}).get("publicKey") == key.as_base64()
        ):
            result.append(key)
    return result

"""What is known of pinned keys beyond that they are trusted: when they retired, and whether they were revoked."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.envelopes import verify_signers
from keiken.trust.keys import PublicKey

SUCCESSION = "https://keiken.example/attestation/key-succession/v1"
REVOCATION = "https://keiken.example/attestation/key-revocation/v1"
Statuses = dict[str, dict[str, Any]]
"""Key id to ``retired_at`` (ISO 8601) and ``logged_before`` (entries of the log), each only where it is so."""


def statuses(pinned: Sequence[PublicKey], offered: Sequence[Mapping[str, Any]]) -> Statuses:
    """What the marketplace can prove about ``pinned`` keys (oldest first): only a later key may speak against one."""
    found: Statuses = {}
    for number, key in enumerate(pinned):
        item = next((one for one in offered if one.get("public_key") == key.as_base64()), None)
        if item is None:
            continue
        if number:
            before = pinned[number - 1]
            statement = _signed(item.get("signed_by"), [before], SUCCESSION, key)
            if statement and (when := _time(statement.get("validFrom"))):
                found.setdefault(before.key_id, {})["retired_at"] = when
        statement = _signed(item.get("revocation"), pinned[number + 1 :], REVOCATION, key)
        if statement and type(statement.get("logSize")) is int:
            found.setdefault(key.key_id, {})["logged_before"] = statement["logSize"]
    return found


def _signed(envelope: Any, keys: Sequence[PublicKey], kind: str, about: PublicKey) -> Mapping[str, Any] | None:
    """The predicate of an envelope of this kind about this key, when one of ``keys`` signed it."""
    if not envelope or not keys:
        return None
    try:
        statement, _signers = verify_signers(envelope, keys)
    except TrustError:
        return None
    predicate = statement.get("predicate")
    is_it = statement.get("predicateType") == kind and isinstance(predicate, dict)
    return predicate if is_it and predicate.get("publicKey") == about.as_base64() else None  # type: ignore[union-attr]


def _time(text: Any) -> str | None:
    try:
        return text if datetime.fromisoformat(text).tzinfo is not None else None
    except (TypeError, ValueError):
        return None


class StatusFile:
    """Server to statuses. What was noted once stays: a marketplace cannot take a revocation back."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Statuses]:
        """Raises TrustError ``pins_damaged``."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            document = None
        if not _is_sound(document):
            raise TrustError(
                "pins_damaged",
                _("The file of pinned keys, {path}, is damaged.").format(path=self._path),
                _("Put it back from a backup, or remove it and sign in again; that trusts each marketplace anew."),
            )
        return dict(document)

    def note(self, server: str, fresh: Statuses) -> None:
        """Keep what is new, under the caller's lock."""
        document = self.read()
        merged = {**fresh, **document.get(server, {})}
        for key_id, item in fresh.items():
            merged[key_id] = {**item, **merged[key_id]}
        if merged == document.get(server, {}):
            return
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({**document, server: merged}, file, indent=1)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _is_sound(document: Any) -> bool:
    return isinstance(document, dict) and all(
        isinstance(keys, dict)
        and all(
            isinstance(item, dict)
            and type(item.get("logged_before", 0)) is int
            and _time(item.get("retired_at", "2000-01-01T00:00:00+00:00")) is not None
            for item in keys.values()
        )
        for keys in document.values()
    )

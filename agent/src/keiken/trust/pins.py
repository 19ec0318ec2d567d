"""Pinned keys: the first login trusts a marketplace's key, and from then on only what that key vouches for."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.envelopes import sign, verify
from keiken.trust.key_status import REVOCATION, SUCCESSION, StatusFile, statuses
from keiken.trust.keyring import Keyring
from keiken.trust.keys import PublicKey, SigningKey
from keiken.trust.statements import STATEMENT

OFFERED_LIMIT = 100


def succession(*, successor: PublicKey, signed_with: SigningKey, valid_from: datetime | None = None) -> dict[str, Any]:
    """The envelope ``signed_by`` of a new key: the old key's word that ``successor`` comes after it.

    From ``valid_from`` on the old key signs nothing more.
    """
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": "signing-key", "digest": {"sha256": successor.key_id}}],
        "predicateType": SUCCESSION,
        "predicate": {
            "publicKey": successor.as_base64(),
            **({"validFrom": valid_from.isoformat()} if valid_from else {}),
        },
    }
    return sign(statement, signed_with)


def revocation(*, revoked: PublicKey, signed_with: SigningKey, log_size: int, reason: str) -> dict[str, Any]:
    """The envelope in which a later key says that ``revoked`` counts only for the first ``log_size`` entries."""
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": "signing-key", "digest": {"sha256": revoked.key_id}}],
        "predicateType": REVOCATION,
        "predicate": {"publicKey": revoked.as_base64(), "logSize": log_size, "reason": reason},
    }
    return sign(statement, signed_with)


class Pins:
    """The file of pinned keys: server address to public keys, oldest first. Readable by its owner only.

    Beside it ``key-status.json`` keeps which of them have retired or were revoked; nothing in it is ever taken back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._status = StatusFile(path.with_name("key-status.json"))

    def keys(self, server: str) -> Keyring:
        """What is pinned for this server, perhaps nothing. Raises TrustError ``pins_damaged``."""
        pinned = self._pinned(server)
        known = {key.key_id: key for key in pinned}
        kept = self._status.read().get(server, {})
        status = {known[key_id]: item for key_id, item in kept.items() if key_id in known}
        return Keyring(
            pinned,
            revoked={key: item["logged_before"] for key, item in status.items() if "logged_before" in item},
            retired={
                key: datetime.fromisoformat(item["retired_at"]) for key, item in status.items() if "retired_at" in item
            },
        )

    def _pinned(self, server: str) -> list[PublicKey]:
        return [PublicKey.from_base64(text) for text in self._read().get(server, [])]

    def accept(self, server: str, offered: Sequence[Mapping[str, Any]]) -> Keyring:
        """Pin at first sight; later only a successor that a pinned key has signed is added.

        ``offered`` is the list ``keys`` of ``/api/v1/signing-keys``. Raises TrustError ``key_changed``,
        ``key_malformed`` or ``pins_damaged``; the file is then as it was.
        """
        fresh = [_key(item) for item in offered[:OFFERED_LIMIT]]
        with self._locked():
            pinned = self._pinned(server)
            if not fresh:
                return self.keys(server)
            accepted = _with_successors(pinned, offered[:OFFERED_LIMIT]) if pinned else fresh
            if not any(key in accepted for key in fresh):
                raise TrustError(
                    "key_changed",
                    _("{server} now signs with a key that the pinned one does not vouch for.").format(server=server),
                    _("Ask its operators. If the change is right, remove {path} and sign in again.").format(
                        path=self._path
                    ),
                )
            if accepted != pinned:
                self._write(server, accepted)
            self._status.note(server, statuses(accepted, offered[:OFFERED_LIMIT]))
            return self.keys(server)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Two logins at once must not lose each other's pins."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _read(self) -> dict[str, list[str]]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            document = None
        if not isinstance(document, dict) or not all(isinstance(keys, list) for keys in document.values()):
            raise TrustError(
                "pins_damaged",
                _("The file of pinned keys, {path}, is damaged.").format(path=self._path),
                _("Put it back from a backup, or remove it and sign in again; that trusts each marketplace anew."),
            )
        return {str(server): [str(key) for key in keys] for server, keys in document.items()}

    def _write(self, server: str, keys: Sequence[PublicKey]) -> None:
        document = {**self._read(), server: [key.as_base64() for key in keys]}
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _key(item: Any) -> PublicKey:
    """Raises TrustError ``key_malformed`` for anything a server may send in its place."""
    return PublicKey.from_base64(str(item.get("public_key", "")) if isinstance(item, Mapping) else "")


def _with_successors(pinned: list[PublicKey], offered: Sequence[Mapping[str, Any]]) -> list[PublicKey]:
    """``pinned`` and every offered key that a chain of signatures leads to, in whatever order they are listed.

    Only the newest key names its successor: an old one that was stolen later starts no second line.
    """
    result = list(pinned)
    waiting = [item for item in offered if item.get("signed_by")]
    while found := [item for item in waiting if _key(item) not in result and _vouched_for(item, result[-1:])]:
        result.append(_key(found[0]))
    return result


def _vouched_for(item: Mapping[str, Any], trusted: Sequence[PublicKey]) -> bool:
    try:
        statement = verify(item["signed_by"], trusted)
    except TrustError:
        return False
    predicate = statement.get("predicate")
    return (
        statement.get("predicateType") == SUCCESSION
        and isinstance(predicate, dict)
        and predicate.get("publicKey") == _key(item).as_base64()
    )

"""Keys with their times: which sign now, which have retired, and for how much a revoked one still counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.keys import PublicKey

CLOCK_TOLERANCE = timedelta(minutes=5)
_NONE: Mapping[Any, Any] = MappingProxyType({})


class Keyring(list[PublicKey]):
    """The keys that are trusted, oldest first, as a list; revoked ones are not among them.

    ``revoked`` maps a key to the size of the log when it was revoked: what is no entry before that, it vouches for no
    longer. ``retired`` maps a key to when its successor took over: it signed nothing that happened later.
    """

    def __init__(
        self,
        keys: Iterable[PublicKey] = (),
        *,
        revoked: Mapping[PublicKey, int] = _NONE,
        retired: Mapping[PublicKey, datetime] = _NONE,
    ) -> None:
        super().__init__(key for key in keys if key not in revoked)
        self.revoked = dict(revoked)
        self.retired = dict(retired)


def keyring(keys: Iterable[PublicKey]) -> Keyring:
    """The keyring itself, or one of plain keys without times."""
    return keys if isinstance(keys, Keyring) else Keyring(keys)


def all_keys(ring: Keyring) -> list[PublicKey]:
    """Also the revoked ones, for ``verify_signers``; ``still_trusted`` then judges who signed."""
    return [*ring, *ring.revoked]


def still_trusted(signers: Iterable[PublicKey], ring: Keyring, index: int | None) -> list[PublicKey]:
    """Those that may vouch for this. ``index``: of its entry, where it was shown to be in the log.

    Raises TrustError ``key_revoked`` where none is left.
    """
    found = list(signers)
    good = [key for key in found if key not in ring.revoked or (index is not None and index < ring.revoked[key])]
    if not good:
        raise TrustError(
            "key_revoked",
            _("A statement was signed with the key {key}, which was revoked before that was in the public log.").format(
                key=found[0].key_id[:16]
            ),
            _("Do not rely on it. Fetch it again: what is proven anew is signed with the new key."),
        )
    return good


def check_times(signers: Iterable[PublicKey], verified_at: str, ring: Keyring) -> None:
    """Some signer had not retired yet. Raises TrustError ``key_retired``."""
    happened = datetime.fromisoformat(verified_at)
    for key in signers:
        if key not in ring.retired or happened <= ring.retired[key] + CLOCK_TOLERANCE:
            return
    raise TrustError(
        "key_retired",
        _("A statement about {when} was signed with a key that had retired before.").format(when=verified_at),
        _("Do not rely on it, and tell the marketplace's operators: somebody may still hold an old key."),
    )

"""Licenses on this machine: fetched with a pull, checked without the network, their replays counted and told later.

``config_dir()/licenses/<server>/ORG/NAME.json`` holds a token, ``…/<server>/revocations.json`` what was taken back, and
``…/<server>/receipts/`` the replays that were counted here. ``device-key.pem`` signs receipts and never leaves.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keiken.client.client import Client
from keiken.client.download import disk_trouble
from keiken.client.logins import Login, write_private
from keiken.client.references import Reference, place_of
from keiken.client.refusals import strange_answer
from keiken.errors import Refused, TrustError
from keiken.i18n import _
from keiken.paths import config_dir
from keiken.trust import PublicKey, SigningKey, sign, verify
from keiken.trust.licenses import (
    LICENSE_TYPE,
    RECEIPT_TYPE,
    REVOCATIONS_TYPE,
    License,
    Receipt,
    Revocations,
    Wish,
    check_license,
    moment,
    read_license,
    read_receipt,
    read_revocations,
)

SIGNING_SECONDS = 20
"""How long a token is waited for: another process of the marketplace signs it."""
RECEIPTS_AT_ONCE = 100


def device_key() -> SigningKey:
    """The key of this machine, made at first use."""
    path = config_dir() / "device-key.pem"
    try:
        return SigningKey.load_or_make(path)
    except OSError as error:
        raise disk_trouble(path, error) from error


def fetch_license(client: Client, reference: Reference, keys: Iterable[PublicKey]) -> License:
    """Fetch and keep a token for this version and the present list of revocations; what was counted is told before.

    Raises ServerRefusal, TrustError, or Refused ``license_not_signed`` when the marketplace does not sign in time.
    """
    trusted = list(keys)
    tell_receipts(client)
    offered = _signed(client, reference)
    license = read_license(verify(offered, trusted, LICENSE_TYPE))
    listed = client.revocations()
    revocations = read_revocations(verify(listed, trusted, REVOCATIONS_TYPE))
    if license.server != client.server:
        raise strange_answer(client.server, _("its license is of another marketplace"))
    folder = _folder(client.server)
    write_private(folder / "revocations.json", listed)
    write_private(_token_path(client.server, reference), offered)
    # The marketplace has just said what time it is: a clock that was ahead before is forgiven.
    write_private(config_dir() / "clock.json", revocations.issued_at)
    return license


def _signed(client: Client, reference: Reference) -> Any:
    deadline = time.monotonic() + SIGNING_SECONDS
    public = device_key().public.as_base64()
    while (envelope := client.license(reference, receipt_key=public)) is None:
        if time.monotonic() > deadline:
            raise Refused(
                "license_not_signed",
                _("The marketplace has not signed your license of {name} yet.").format(name=reference.experience),
                _("Try again in a minute; its operators see what waits."),
            )
        time.sleep(0.5)
    return envelope


def require_license(login: Login, reference: Reference, keys: Iterable[PublicKey], use: str = "replay") -> License:
    """The kept token allows this use now. Asks nobody. Raises TrustError, Refused (see ``keiken.trust.licenses``)."""
    trusted = list(keys)
    license = _kept_license(login.server, reference, trusted)
    now = datetime.now(UTC)
    clock = config_dir() / "clock.json"
    seen = _read(clock)
    seen_at = moment(seen) if isinstance(seen, str) else None
    wish = Wish(
        server=login.server,
        organization=login.organization,
        holder=login.principal,
        experience=reference.experience,
        version=reference.version,
        use=use,
    )
    check_license(
        license,
        wish,
        revocations=_kept_revocations(login.server, trusted),
        now=now,
        seen_at=seen_at,
        used_in_month=_used(login.server, license),
    )
    if seen_at is None or now > seen_at:
        write_private(clock, now.isoformat(timespec="seconds"))
    return license


def _kept_license(server: str, reference: Reference, keys: list[PublicKey]) -> License:
    envelope = _read(_token_path(server, reference))
    if envelope is None:
        raise Refused(
            "license_missing",
            _("There is no license of {name} on this machine.").format(name=reference.experience),
            _("Fetch it with 'keiken pull {name}'.").format(name=reference.experience),
        )
    return read_license(verify(envelope, keys, LICENSE_TYPE))


def _kept_revocations(server: str, keys: list[PublicKey]) -> Revocations | None:
    envelope = _read(_folder(server) / "revocations.json")
    return None if envelope is None else read_revocations(verify(envelope, keys, REVOCATIONS_TYPE))


# --- receipts


def count_replay(license: License, *, replay_id: str, version: str, digest: str) -> None:
    """Write down a successful replay under a counted license, to be told later. Once per ``replay_id``."""
    if not license.counted:
        return
    folder = _folder(license.server) / "receipts"
    with _locked(folder):
        earlier = [receipt for receipt, _path, _envelope in _receipts(license.server) if receipt.token == license.id]
        if any(receipt.replay_id == replay_id for receipt in earlier):
            return
        number = 1 + max((receipt.number for receipt in earlier), default=0)
        receipt = Receipt(
            token=license.id,
            replay_id=replay_id,
            number=number,
            version=version,
            digest=digest,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_private(folder / f"{license.id}-{number:06}.json", sign(receipt.document(), device_key(), RECEIPT_TYPE))


def tell_receipts(client: Client) -> int:
    """Send what was counted and not told yet. How many were taken; nothing is sent where there is nothing."""
    taken = 0
    waiting = [(path, envelope) for _receipt, path, envelope in _receipts(client.server) if not _told(path).exists()]
    for start in range(0, len(waiting), RECEIPTS_AT_ONCE):
        part = waiting[start : start + RECEIPTS_AT_ONCE]
        for (path, _envelope), result in zip(
            part, client.receipts([envelope for _path, envelope in part]), strict=False
        ):
            write_private(_told(path), result.as_json())
            taken += result.is_counted
    return taken


def _told(path: Path) -> Path:
    return path.with_suffix(".told")


def _used(server: str, license: License) -> int:
    """How many replays were counted here since the token was issued."""
    return sum(receipt.token == license.id for receipt, _path, _envelope in _receipts(server))


def _receipts(server: str) -> list[tuple[Receipt, Path, Any]]:
    """Our own receipts, oldest first. One that was changed counts for nothing here; the marketplace sees the gap."""
    found = []
    key = device_key().public
    for path in sorted((_folder(server) / "receipts").glob("*.json")):
        envelope = _read(path)
        with contextlib.suppress(TrustError):
            found.append((read_receipt(verify(envelope, [key], RECEIPT_TYPE)), path, envelope))
    return found


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two replays that end at once do not take the same number."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_trouble(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _token_path(server: str, reference: Reference) -> Path:
    return _folder(server) / reference.organization / f"{reference.name}.json"


def _folder(server: str) -> Path:
    return config_dir() / "licenses" / place_of(server)


def _read(path: Path) -> Any:
    """None where there is nothing, or nothing readable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None

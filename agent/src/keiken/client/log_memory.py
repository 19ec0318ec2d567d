"""The last checkpoint seen of each marketplace's log: from then on it may only grow, for this client and for all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keiken.client.client import Client
from keiken.client.logins import write_private
from keiken.errors import TrustError
from keiken.i18n import _
from keiken.paths import config_dir
from keiken.trust import PublicKey
from keiken.trust.checkpoints import Checkpoint, read_checkpoint
from keiken.trust.log import decoded_hashes
from keiken.trust.merkle import verify_consistency


def memory_path() -> Path:
    return config_dir() / "log.json"


def remember(client: Client, note: str, keys: list[PublicKey]) -> Checkpoint:
    """Hold a checkpoint that the marketplace gave against the last one seen; keep whichever is newer.

    Raises TrustError ``log_forked`` where the log was rewritten or is another for us than before, ``log_rolled_back``
    where the marketplace now shows less than it once did, ``log_memory_damaged``, and what reading a note raises.
    """
    given = read_checkpoint(note, keys)
    with _locked():
        last = remembered(client.server)
        if last is None:
            _keep(client.server, given)
            return given
        if given.origin != last.origin:
            raise _forked(client.server)
        if given.size < last.size:
            # Honest when somebody here has seen a newer one meanwhile; then the log as it is now shows that.
            now = read_checkpoint(client.log_checkpoint(), keys)
            if now.origin != last.origin or now.size < last.size:
                raise TrustError(
                    "log_rolled_back",
                    _("The public log of {server} had {last} entries, and now shows only {now}.").format(
                        server=client.server, last=last.size, now=now.size
                    ),
                    _("Somebody may replay an old state. Ask its operators before you rely on its statements."),
                )
            _check_growth(client, last, now)
            _check_growth(client, given, now)
            given = now
        else:
            _check_growth(client, last, given)
        if given != last:
            _keep(client.server, given)
    return given


def compare_offline(server: str, checkpoint: Checkpoint) -> None:
    """What can be seen without a network: another log of the same size. Raises TrustError ``log_forked``."""
    last = remembered(server)
    if last is None:
        return
    if last.origin != checkpoint.origin or (last.size == checkpoint.size and last.root != checkpoint.root):
        raise _forked(server)


def remembered(server: str) -> Checkpoint | None:
    """Raises TrustError ``log_memory_damaged``."""
    item = _read().get(server)
    return Checkpoint(item["origin"], item["size"], bytes.fromhex(item["root"])) if item else None


def _check_growth(client: Client, first: Checkpoint, second: Checkpoint) -> None:
    try:
        proof = decoded_hashes(client.log_consistency(first.size, second.size)) if first.size != second.size else ()
    except (TypeError, ValueError):
        proof = ()
    if not verify_consistency(
        first=first.size, second=second.size, first_root=first.root, second_root=second.root, proof=proof
    ):
        raise _forked(client.server)


def _forked(server: str) -> TrustError:
    return TrustError(
        "log_forked",
        _(
            "The public log of {server} is not the one seen before: entries were changed, removed or shown to some."
        ).format(server=server),
        _("Do not rely on its statements. Compare {path} with what others have seen, and ask its operators.").format(
            path=memory_path()
        ),
    )


def _keep(server: str, checkpoint: Checkpoint) -> None:
    item = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    write_private(memory_path(), {**_read(), server: item})


def _read() -> dict[str, Any]:
    path = memory_path()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        for item in document.values():
            is_sound = isinstance(item["origin"], str) and type(item["size"]) is int
            if not is_sound or len(bytes.fromhex(item["root"])) != 32:
                raise ValueError("no checkpoint")
        return dict(document)
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise TrustError(
            "log_memory_damaged",
            _("The file of checkpoints, {path}, is damaged.").format(path=path),
            _("Put it back from a backup, or remove it; then a log that was rewritten meanwhile is not noticed."),
        ) from None


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Two commands at once must not lose the newer checkpoint."""
    path = memory_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)

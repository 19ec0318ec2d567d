"""Fetching a package: streamed to a temporary file, bounded, and only kept when its digest is right."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from keiken.client.connection import Connection
from keiken.client.refusals import strange_answer, unreachable
from keiken.errors import KeikenError, TrustError
from keiken.i18n import _
from keiken.package.archive import ARCHIVE_BYTES_LIMIT
from keiken.package.archive import digest as digest_of
from keiken.package.watermark import original

DOWNLOAD_SECONDS = 600


@dataclass(frozen=True)
class Downloaded:
    """``grant`` is the id of the license it was given under, or ``own``; ``is_new`` False when the bytes were known."""

    digest: str
    grant: str
    size_bytes: int
    is_new: bool


def download(connection: Connection, path: str, target: Path, *, digest: str, is_known: bool) -> Downloaded:
    """Put the bytes with ``digest``, perhaps marked for this license, into ``target``; a refusal leaves it as it was.

    ``is_known``: the bytes are there already; the marketplace is still asked whether they may be used.
    Raises ServerRefusal, ServerTrouble, TrustError ``digest_mismatch``, KeikenError ``disk_trouble``.
    """
    headers = {"Accept": "application/gzip, application/json", "Accept-Encoding": "identity"}
    if is_known:
        headers["If-None-Match"] = f'"{digest}"'
    with connection.open("GET", path, headers=headers, follow_redirects=True) as response:
        grant = response.headers.get("Keiken-License", "")
        if response.status_code == 304:
            return Downloaded(digest, grant, target.stat().st_size, is_new=False)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _sweep(target)
            size = _stream(connection, response, temporary)
            found = digest_of(original(temporary.read_bytes()))
            _check(found, digest, response.headers.get("Keiken-Digest", digest))
            temporary.replace(target)
        except OSError as error:
            raise disk_trouble(target, error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return Downloaded(digest, grant, size, is_new=True)


def _sweep(target: Path) -> None:
    """Remove what downloads that were killed long ago have left; a running one is younger than its own time limit."""
    for left in target.parent.glob(f".{target.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 2 * DOWNLOAD_SECONDS:
                left.unlink()


def disk_trouble(path: Path, error: OSError) -> KeikenError:
    return KeikenError(
        "disk_trouble",
        _("{path} cannot be written: {why}.").format(path=path, why=error.strerror or error),
        _("Make room or name another folder in KEIKEN_CACHE_DIR or KEIKEN_CONFIG_DIR."),
    )


def _stream(connection: Connection, response: httpx.Response, temporary: Path) -> int:
    """The size of what was written."""
    size = 0
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > ARCHIVE_BYTES_LIMIT:
                raise strange_answer(connection.server, _("the package is larger than 16 MiB"))
            if time.monotonic() > deadline:
                why = _("the download took longer than {n} s").format(n=DOWNLOAD_SECONDS)
                raise unreachable(connection.server, why)
            file.write(chunk)
        file.flush()
        os.fsync(descriptor)
    return size


def _check(found: str, *expected: str) -> None:
    for digest in expected:
        if found != digest:
            raise TrustError(
                "digest_mismatch",
                _("The package has the digest {found}; it was announced with {expected}.").format(
                    found=found, expected=digest
                ),
                _("It was damaged on its way. Try again; if it stays so, tell the marketplace."),
            )

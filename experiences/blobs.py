"""The store of package bytes: named by their digest, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from keiken.package import digest

INCOMING = ".incoming-"
"""Begins the name of a file that is being written; a writer that was killed leaves it behind."""
_MODE = 0o640


def name_of(blob_digest: str) -> str:
    """Two levels of folders keep each small."""
    text = blob_digest.removeprefix("sha256:")
    return f"{text[:2]}/{text[2:4]}/{text}"


def store_blob(data: bytes) -> str:
    """The digest. Storing the same bytes again, or by two at once, is harmless, and mends a damaged file.

    Raises OSError when the disk is full; then there is no file of that name.
    """
    blob_digest = digest(data)
    name = name_of(blob_digest)
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:
        # A remote store: its writes are all or nothing.
        _store_remotely(name, data)
    else:
        _write_whole(path, data)
    return blob_digest


def _store_remotely(name: str, data: bytes) -> None:
    kept = default_storage.save(name, ContentFile(data))
    if kept != name:
        # It does not overwrite: the same bytes have the name already.
        default_storage.delete(kept)


def _write_whole(path: Path, data: bytes) -> None:
    """Django's own storage writes under the final name, where a killed process would leave half a package."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{INCOMING}{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A name survives a power cut only once its folder is on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_blob(blob_digest: str) -> bool:
    return default_storage.exists(name_of(blob_digest))


def open_blob(blob_digest: str) -> IO[bytes]:
    """The bytes as an open file. Raises FileNotFoundError when the store has lost them."""
    return default_storage.open(name_of(blob_digest), "rb")


def local_path(blob_digest: str) -> Path | None:
    """Where the bytes are on this machine's disk; None for a remote store."""
    try:
        return Path(default_storage.path(name_of(blob_digest)))
    except NotImplementedError:
        return None


def delete_stored(path: str) -> None:
    default_storage.delete(path)


def stored_files() -> Iterator[tuple[str, str, datetime]]:
    """``(path in the store, digest, time of writing)`` of every file; the digest is empty for a broken-off one."""
    for first in _folders(""):
        for second in _folders(first):
            folder = f"{first}/{second}"
            for name in default_storage.listdir(folder)[1]:
                path = f"{folder}/{name}"
                is_blob = len(name) == 64 and path == name_of(name)
                if is_blob or name.startswith(INCOMING):
                    yield path, f"sha256:{name}" if is_blob else "", default_storage.get_modified_time(path)


def _folders(path: str) -> list[str]:
    try:
        folders, _files = default_storage.listdir(path)
    except FileNotFoundError:
        return []
    return [name for name in folders if len(name) == 2]

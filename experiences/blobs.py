"""The store of package bytes: named by their digest, written whole or not at all."""

from __future__ import annotations

from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from keiken.package import digest


def name_of(blob_digest: str) -> str:
    """Two levels of folders keep each small."""
    text = blob_digest.removeprefix("sha256:")
    return f"{text[:2]}/{text[2:4]}/{text}"


def store_blob(data: bytes) -> str:
    """The digest. The same bytes again write nothing, also when two do it at once."""
    blob_digest = digest(data)
    name = name_of(blob_digest)
    if not default_storage.exists(name):
        kept = default_storage.save(name, ContentFile(data))
        if kept != name:
            # Somebody stored the same bytes in the same moment; theirs has the name.
            default_storage.delete(kept)
    return blob_digest


def open_blob(blob_digest: str) -> IO[bytes]:
    """The bytes as an open file. Raises FileNotFoundError when the store has lost them."""
    return default_storage.open(name_of(blob_digest), "rb")


def delete_blob(blob_digest: str) -> None:
    default_storage.delete(name_of(blob_digest))

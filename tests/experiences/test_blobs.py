"""Bytes are stored whole or not at all, under their digest; orphans are swept, never anything else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from accounts.models import Organization
from experiences.blobs import INCOMING, has_blob, name_of, open_blob, store_blob
from experiences.models import Blob
from experiences.services.sweep_blobs import sweep_blobs
from keiken.package import digest
from tests.experiences.conftest import publish


class RemoteStorage(Storage):
    """As S3 looks to Django: no paths, and a name that is taken gets a suffix."""

    objects: ClassVar[dict[str, bytes]] = {}

    def _save(self, name: str, content: Any) -> str:
        self.objects[name] = content.read()
        return name

    def _open(self, name: str, mode: str = "rb") -> ContentFile[bytes]:
        return ContentFile(self.objects[name])

    def exists(self, name: str) -> bool:
        return name in self.objects

    def delete(self, name: str) -> None:
        self.objects.pop(name)


def files(store: Path) -> list[str]:
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


def age(path: Path, days: float) -> None:
    then = time.time() - timedelta(days=days).total_seconds()
    os.utime(path, (then, then))


def test_bytes_are_found_under_their_digest(store: Path) -> None:
    name = store_blob(b"bytes")
    assert name == digest(b"bytes")
    assert files(store) == [name_of(name)]
    with open_blob(name) as file:
        assert file.read() == b"bytes"


def test_a_damaged_file_is_mended_by_storing_it_again(store: Path) -> None:
    name = store_blob(b"bytes")
    (store / name_of(name)).write_bytes(b"byt")
    store_blob(b"bytes")
    assert (store / name_of(name)).read_bytes() == b"bytes"
    assert files(store) == [name_of(name)]


def test_a_killed_writer_leaves_no_half_file_under_the_name(store: Path) -> None:
    """kill -9 in the middle of the write, for real."""
    code = f"""
import os, signal
import django
from django.conf import settings
settings.configure(STORAGES={{"default": {{"BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {{"location": {str(store)!r}}}}}}})
django.setup()
import experiences.blobs as blobs
blobs.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
blobs.store_blob(b"bytes")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert not has_blob(digest(b"bytes"))
    (left,) = files(store)
    assert Path(left).name.startswith(INCOMING)
    store_blob(b"bytes")
    assert has_blob(digest(b"bytes"))


def test_a_remote_store_gets_the_bytes_once(settings: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.experiences.test_blobs.RemoteStorage"},
    }
    name = store_blob(b"bytes")
    assert store_blob(b"bytes") == name
    assert RemoteStorage.objects == {name_of(name): b"bytes"}
    with open_blob(name) as file:
        assert file.read() == b"bytes"


def test_the_sweep_takes_old_orphans_and_nothing_else(acme: Organization, store: Path) -> None:
    published = publish(acme).blob_id
    orphan, young = store_blob(b"orphan"), store_blob(b"young")
    broken = store / name_of(orphan)
    broken = broken.with_name(f"{INCOMING}0123")
    broken.write_bytes(b"half")
    foreign = store / "ab" / "cd" / "notes.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("not ours")
    (store / "readme").write_text("not ours")
    for path in (store / name_of(published), store / name_of(orphan), broken, foreign):
        age(path, 2)
    assert sweep_blobs() == 2
    left = {name_of(published), name_of(young), "ab/cd/notes.txt", "readme"}
    assert set(files(store)) == left
    assert list(Blob.objects.values_list("pk", flat=True)) == [published]
    assert sweep_blobs() == 0


def test_the_sweep_of_a_store_that_was_never_used_is_quiet(db: None) -> None:
    assert sweep_blobs() == 0


@pytest.mark.parametrize("text", ["", "x", "sha256:"])
def test_what_is_no_digest_is_not_there(text: str, store: Path) -> None:
    store.mkdir(exist_ok=True)
    (store / "file").write_text("x")
    with pytest.raises((FileNotFoundError, IsADirectoryError)):
        open_blob(text + "0" * 8)

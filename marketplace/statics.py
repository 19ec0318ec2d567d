"""Gathers the static files under names made of their content, before a web server starts.

A site whose operator forgot ``collectstatic`` after an upgrade would answer every page with an error; so a starting
web server looks, and gathers when the sources are others than those gathered last. Several may start at once.
"""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def gather_static_files() -> bool:
    """Whether there was anything to gather. Raises OSError when the folder must be written and cannot be."""
    root = Path(settings.STATIC_ROOT)
    gathered = root.with_name(f"{root.name}.sources")
    sources = _sources()
    if _tells(gathered, sources):
        return False
    root.mkdir(parents=True, exist_ok=True)
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _tells(gathered, sources):
            return False
        call_command("collectstatic", interactive=False, verbosity=0)
        gathered.write_text(sources)
    return True


def _tells(gathered: Path, sources: str) -> bool:
    return gathered.exists() and gathered.read_text() == sources


def _sources() -> str:
    """A digest over name, size and time of every source: the time alone can be older after an upgrade."""
    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            seen = Path(storage.path(name)).stat()
            digest.update(f"{name} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return digest.hexdigest()

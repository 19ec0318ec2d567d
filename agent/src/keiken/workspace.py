"""Folders for unpacked packages that do not outlive their process, however it ends.

A process that is killed leaves its temporary folder behind. So each holds a lock on its own, which the kernel lets go
with the process; whoever finds one without a lock removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "keiken-job-"
JUST_MADE_SECONDS = 60
"""A younger one may not have its lock yet."""


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """An empty folder for the caller only."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def sweep(older_than_seconds: float = JUST_MADE_SECONDS) -> int:
    """Remove what killed processes of this user left on this machine. How many folders."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            removed += _removed(folder, time.time() - older_than_seconds)
    return removed


def _removed(folder: Path, made_before: float) -> bool:
    # Without following links: in a folder that others may write to, a name may lead anywhere.
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        known = os.fstat(lock)
        if known.st_uid != os.geteuid() or known.st_mtime > made_before:
            return False
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
        return True
    finally:
        os.close(lock)

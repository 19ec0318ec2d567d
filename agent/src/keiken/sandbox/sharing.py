"""Environments share on disk what they have in common: equal files of two roots are one file with two names.

The roots are read-only for everything inside a sandbox, and a digest is made over content and mode, so that sharing
changes no digest. Debian's packages unpack to the same bits in every root, hence most of a second one is there already.
"""

from __future__ import annotations

import contextlib
import filecmp
import gzip
import os
from collections.abc import Iterable
from pathlib import Path

_FEW = 512
"""Smaller files are not worth a link: the directory entry costs as much attention as the bytes."""


def share(root: Path, lines: Iterable[bytes], others: Iterable[Path]) -> tuple[int, int]:
    """Replace files of ``root`` by hard links to equal ones of other environments' folders.

    ``lines`` are the listing of ``root``. Returns (files, bytes) that are shared now. Where the file system has no hard
    links, or too many already, the file stays a copy.
    """
    wanted = {line for line in lines if _is_file(line)}
    files = shared = 0
    for folder in others:
        if not wanted:
            break
        for line in _listing(folder) & wanted:
            path, size = line.split(b"\0", 4)[0], int(line.split(b"\0", 4)[3])
            if _link(os.path.join(os.fsencode(folder / "root"), path), os.path.join(os.fsencode(root), path), size):
                wanted.discard(line)
                files += 1
                shared += size
    return files, shared


def _is_file(line: bytes) -> bool:
    parts = line.split(b"\0", 4)
    return len(parts) == 5 and parts[1] == b"file" and int(parts[3]) >= _FEW


def _listing(folder: Path) -> set[bytes]:
    try:
        return set(gzip.decompress((folder / "listing.gz").read_bytes()).splitlines(keepends=True))
    except (OSError, EOFError):
        return set()


def _link(source: bytes, target: bytes, size: int) -> bool:
    """Whether ``target`` is the same file as ``source`` afterwards. Its name never stands for nothing."""
    new = target + b".keiken-link"
    with contextlib.suppress(OSError):
        if os.lstat(source).st_size != size or not filecmp.cmp(source, target, shallow=False):
            return False  # changed since it was listed
        os.link(source, new, follow_symlinks=False)
        os.rename(new, target)
        return True
    return False

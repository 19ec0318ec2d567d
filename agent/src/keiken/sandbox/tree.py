"""A deterministic listing of a file tree: what an environment's digest is made over."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def listing(root: Path) -> Iterator[bytes]:
    """One line per entry, sorted by path: path, type, mode, size or link target, sha256 of the content. Times do not
    count.
    """
    for path in sorted(_below(os.fsencode(root), b"")):
        yield _line(os.path.join(os.fsencode(root), path), path)


def quick_marks(root: Path) -> str:
    """A digest over path, size and modification time of every regular file: finds accidents in a fraction of the
    time.
    """
    made = hashlib.sha256()
    base = os.fsencode(root)
    for path in sorted(_below(base, b"")):
        found = os.lstat(os.path.join(base, path))
        if stat.S_ISREG(found.st_mode):
            made.update(b"%s\0%d\0%d\n" % (path, found.st_size, found.st_mtime_ns))
    return "sha256:" + made.hexdigest()


def _below(base: bytes, inside: bytes) -> Iterator[bytes]:
    with os.scandir(os.path.join(base, inside)) as entries:
        for entry in entries:
            path = os.path.join(inside, entry.name)
            yield path
            if entry.is_dir(follow_symlinks=False):
                yield from _below(base, path)


def _line(full: bytes, path: bytes) -> bytes:
    found = os.lstat(full)
    mode = b"%04o" % stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return b"\0".join([path, b"link", b"", os.readlink(full), b""]) + b"\n"
    if stat.S_ISDIR(found.st_mode):
        return b"\0".join([path, b"folder", mode, b"", b""]) + b"\n"
    if stat.S_ISREG(found.st_mode):
        with open(full, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest().encode()
        return b"\0".join([path, b"file", mode, b"%d" % found.st_size, content]) + b"\n"
    return b"\0".join([path, b"other", mode, b"", b""]) + b"\n"

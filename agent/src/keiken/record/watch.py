"""What a line did to the files of the job folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keiken.errors import Failed
from keiken.i18n import _

FILES_LIMIT = 5_000
HASHED_BYTES_LIMIT = 8 << 20


@dataclass(frozen=True)
class Seen:
    """A file or folder as it was found. ``digest`` is the SHA-256 of a file of at most 8 MiB, else empty."""

    kind: str
    size: int
    mode: str
    digest: str
    changed_ns: int = 0


State = dict[str, Seen]
"""By path below the job folder."""


def state_of(job: Path, before: State | None = None) -> State:
    """What lies in the job folder now. Raises Failed ``too_many_files``."""
    found: State = {}
    for path in _paths(job):
        name = os.path.relpath(path, job)
        # What a background process removes meanwhile, or nobody may read, is not there for us.
        with contextlib.suppress(OSError):
            found[name] = _seen(path, (before or {}).get(name))
        if len(found) > FILES_LIMIT:
            raise Failed(
                "too_many_files",
                _("More than {limit} files were made.").format(limit=f"{FILES_LIMIT:,}"),
                _("Record a smaller procedure, or let a step remove what is not needed."),
            )
    return found


def _paths(job: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(job):
        folders[:] = sorted(name for name in folders if name != ".git")
        yield from (str(Path(folder, name)) for name in [*folders, *sorted(files)])


def _seen(path: str, before: Seen | None) -> Seen:
    status = os.lstat(path)
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if stat.S_ISDIR(status.st_mode):
        return Seen("folder", 0, mode, "")
    if not stat.S_ISREG(status.st_mode):
        return Seen("other", 0, mode, "")
    size, changed = status.st_size, status.st_ctime_ns
    if before is not None and (before.size, before.mode, before.changed_ns) == (size, mode, changed):
        return before
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if size <= HASHED_BYTES_LIMIT else ""
    return Seen("file", size, mode, digest, changed)


def same(one: Seen, other: Seen) -> bool:
    """Whether a check could not tell them apart."""
    return (one.kind, one.size, one.mode, one.digest) == (other.kind, other.size, other.mode, other.digest)

"""What checks see of a job: its files and ports, looked at from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from keiken.i18n import _
from keiken.sandbox.protocol import Sandbox

FILES_LIMIT = 2_000
READ_BYTES_LIMIT = 128 << 20
"""Of a work folder larger than this (a sandbox's has 64 MiB), a listing tells only which of the last files exist."""


class JobState:
    """The job's state as checks may see it (keiken.checks.StateAccess)."""

    def __init__(self, sandbox: Sandbox, looked: Callable[[str], None] = lambda _path: None) -> None:
        self._sandbox, self._looked = sandbox, looked

    def file(self, path: str) -> dict[str, Any]:
        """``exists, kind, size, mode``, and for a plain file up to the sandbox's limit ``sha256`` and ``bytes``."""
        self._looked(inside(path))
        state = self._sandbox.read(inside(path))
        fact: dict[str, Any] = {"exists": state.exists, "kind": state.kind, "size": state.size, "mode": state.mode}
        if state.content is not None:
            fact |= {"sha256": hashlib.sha256(state.content).hexdigest(), "bytes": state.content}
        return fact

    def files(self, pattern: str) -> list[str]:
        found = self._sandbox.paths(inside(pattern))
        if len(found) > FILES_LIMIT:
            raise ValueError(_("{pattern} matches more than 2,000 files").format(pattern=pattern))
        return found

    def port(self, number: int) -> dict[str, Any]:
        return {"open": number in self._sandbox.listening_ports()}


class LaterState:
    """The state of a job whose sandbox is opened later, or never."""

    opened: JobState | None = None

    def file(self, path: str) -> dict[str, Any]:
        return self._state(f"file('{path}')").file(path)

    def files(self, pattern: str) -> list[str]:
        return self._state(f"files('{pattern}')").files(pattern)

    def port(self, number: int) -> dict[str, Any]:
        return self._state(f"port({number})").port(number)

    def _state(self, asked: str) -> JobState:
        if self.opened is None:
            raise ValueError(_("{asked} is only known while it runs").format(asked=asked))
        return self.opened


def inside(path: str) -> str:
    """The path relative to the job folder. Raises ValueError for one that leads out of it.

    An absent file outside must not make ``!file('../x').exists`` hold.
    """
    relative = path.removeprefix("/job/").removeprefix("./").rstrip("/")
    if relative.startswith("/") or "\0" in path or not relative or {"", ".", ".."} & set(relative.split("/")):
        raise ValueError(_("'{path}' is no path below the job folder").format(path=path.replace("\0", "\\0")))
    return relative


Listing = dict[str, tuple[int, str, str]]
_UNREAD = (-1, "", "")


def listing(sandbox: Sandbox, on_content: Callable[[str, bytes], None] | None = None) -> Listing:
    """Size, mode and digest of every file below ``work/``: two of these tell what a step changed.

    ``on_content`` is given each digest with its content.
    """
    found: Listing = {}
    read_bytes = 0
    for path in sandbox.paths("work/**")[:FILES_LIMIT]:
        if read_bytes > READ_BYTES_LIMIT:
            found[path] = _UNREAD
            continue
        state = sandbox.read(path)
        content = state.content
        digest = hashlib.sha256(content).hexdigest() if content is not None else ""
        if on_content is not None and content is not None:
            on_content(digest, content)
        read_bytes += len(content or b"")
        found[path] = (state.size, state.mode, digest)
    return found


def changes(before: Listing, after: Listing) -> list[str]:
    """``+ path`` made, ``~ path`` changed, ``- path`` removed; sorted by path, at most 200."""
    marks = {path: "+" for path in after.keys() - before.keys()}
    marks |= {path: "-" for path in before.keys() - after.keys()}
    marks |= {
        path: "~"
        for path in after.keys() & before.keys()
        if after[path] != before[path] and _UNREAD not in (after[path], before[path])
    }
    return [f"{marks[path]} {path}" for path in sorted(marks)][:200]

"""What checks see of a job: its files and ports, looked at from outside."""

from __future__ import annotations

import hashlib
from typing import Any

from keiken.i18n import _
from keiken.sandbox.protocol import Sandbox

TEXT_LIMIT_BYTES = 2 << 20
FILES_LIMIT = 2_000


class JobState:
    """The job's state as checks may see it (keiken.checks.StateAccess)."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def file(self, path: str) -> dict[str, Any]:
        """``exists, kind, size, mode``, and for a readable plain file ``sha256, bytes, text, lines``.

        ``text`` and ``lines`` are left out of files over 2 MiB and of what is not UTF-8.
        """
        state = self._sandbox.read(path)
        fact: dict[str, Any] = {"exists": state.exists, "kind": state.kind, "size": state.size, "mode": state.mode}
        if state.content is None:
            return fact
        fact["sha256"] = hashlib.sha256(state.content).hexdigest()
        if len(state.content) <= TEXT_LIMIT_BYTES:
            fact["bytes"] = state.content
            try:
                fact["text"] = state.content.decode("utf-8")
            except UnicodeDecodeError:
                return fact
            fact["lines"] = fact["text"].removesuffix("\n").split("\n") if fact["text"] else []
        return fact

    def files(self, pattern: str) -> list[str]:
        found = self._sandbox.paths(pattern)
        if len(found) > FILES_LIMIT:
            raise ValueError(_("{pattern} matches more than 2,000 files").format(pattern=pattern))
        return found

    def port(self, number: int) -> dict[str, Any]:
        return {"open": number in self._sandbox.listening_ports()}


def listing(sandbox: Sandbox) -> dict[str, tuple[int, str, str]]:
    """Size, mode and digest of every file below ``work/``: two of these tell what a step changed."""
    found = {}
    for path in sandbox.paths("work/**")[:FILES_LIMIT]:
        state = sandbox.read(path)
        digest = hashlib.sha256(state.content).hexdigest() if state.content is not None else ""
        found[path] = (state.size, state.mode, digest)
    return found


def changes(before: dict[str, tuple[int, str, str]], after: dict[str, tuple[int, str, str]]) -> list[str]:
    """``+ path`` made, ``~ path`` changed, ``- path`` removed; sorted by path, at most 200."""
    marks = {path: "+" for path in after.keys() - before.keys()}
    marks |= {path: "-" for path in before.keys() - after.keys()}
    marks |= {path: "~" for path in after.keys() & before.keys() if after[path] != before[path]}
    return [f"{marks[path]} {path}" for path in sorted(marks)][:200]

"""Keeps the executor that changes real machines out of the platform's processes, whatever code asks for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

HOST_EXECUTOR = "keiken.sandbox.host"


class _Refuse(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == HOST_EXECUTOR:
            raise ImportError(f"{HOST_EXECUTOR} is for the agent's side; the platform only replays in sandboxes.")
        return None


def forbid_host_executor() -> None:
    """From here on no import of it succeeds in this process or its forks. May be called again."""
    sys.modules.pop(HOST_EXECUTOR, None)
    if not any(isinstance(finder, _Refuse) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Refuse())

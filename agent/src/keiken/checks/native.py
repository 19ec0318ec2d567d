"""The CEL interpreter (common-expression-language, in Rust) without the command line that its package also loads.

Importing the package takes 0.8 s, nearly all of it for that command line; the extension alone takes a millisecond.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from functools import cache
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

_LOADING = threading.Lock()


def interpreter() -> Any:
    """The extension module: ``Context``, ``compile`` and ``evaluate``."""
    # The extension can be started once in a process: two threads that both do it end in a panic of Rust's.
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> Any:
    if loaded := sys.modules.get("cel.cel"):
        return loaded
    spec = importlib.util.find_spec("cel")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("the package common-expression-language is not installed")
    extension = PathFinder.find_spec("cel.cel", spec.submodule_search_locations)
    assert extension is not None
    assert extension.loader is not None
    module: ModuleType = importlib.util.module_from_spec(extension)
    extension.loader.exec_module(module)
    return module

"""Several things at once, each in a thread with its own database connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Start all calls in the same moment; each one's result, or the exception it raised, in order."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=60)
            return call()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, call) for call in calls]]


def codes(results: list[Any]) -> list[str]:
    """The refusals' codes, and ``done`` for what was done; sorted. Anything unexpected is raised."""
    for result in results:
        if isinstance(result, Exception) and not hasattr(result, "code"):
            raise result
    return sorted(str(result.code) if isinstance(result, Exception) else "done" for result in results)

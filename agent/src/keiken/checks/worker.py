"""The child process in which checks are evaluated: it has two pipes, some memory and a little time, and nothing else.

It asks its parent for the state of files and ports, so it needs no access of its own and gets none.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

from keiken.checks import frames
from keiken.checks.functions import HEAVY_FIELDS, functions

MEMORY_BYTES = 1 << 30
VALUE_LIMIT_BYTES = 1 << 20
_REQUESTS, _ANSWERS = 0, 3


def main() -> None:
    from keiken.checks.native import interpreter

    cel = interpreter()
    # The interpreter loads Python modules when it first converts values; later it could open none.
    warm = cel.Context()
    warm.update({"a": {"b": [1, 1.0, "", b"", None, True]}})
    cel.evaluate("a", warm)
    cel.evaluate("[timestamp('2024-01-01T00:00:00Z'), duration('1s')]", cel.Context())
    _let_go()
    _send({"ready": True})
    while (request := _receive()) is not None:
        signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])  # ends this process, even inside native code
        answer = _evaluated(cel, request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answer)


def _let_go() -> None:
    """No descriptor but the pipes, and no way to open another; what the interpreter prints goes nowhere."""
    os.dup2(1, _ANSWERS)
    os.dup2(2, 1)
    os.closerange(_ANSWERS + 1, 1024)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, _ANSWERS + 1),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _evaluated(cel: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The value, or the error in the interpreter's words; the parent makes a sentence of it."""
    names = set(request["names"])
    asked: dict[str, Any] = {}

    def ask(what: str, argument: Any) -> Any:
        key = f"{what} {argument!r}"
        if key not in asked:
            asked[key] = _ask(what, argument, names)
        answer = asked[key]
        if "error" in answer:
            raise ValueError(answer["error"])
        value = answer["value"]
        return dict(value) if isinstance(value, dict) else value

    try:
        context = cel.Context()
        for name, function in functions(ask, names).items():
            context.add_function(name, function)
        context.update(request["bindings"])
        value = cel.evaluate(request["expression"], context)
        answer = {"value": value}
        if len(frames.dump(answer)) > VALUE_LIMIT_BYTES:
            return {"error": "ValueLimit: the value is larger than 1 MiB"}
    except Exception as error:  # whatever the interpreter says of the expression goes to the parent as words
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    return answer


def _ask(what: str, argument: Any, names: set[str]) -> Any:
    _send({"ask": what, "argument": argument, "with_content": not names.isdisjoint(HEAVY_FIELDS)})
    answer = _receive()
    if answer is None:
        os._exit(0)
    return answer


def _send(message: Any) -> None:
    data = memoryview(frames.dump(message))
    while data:
        data = data[os.write(_ANSWERS, data) :]


def _receive() -> Any:
    header = _exactly(frames.HEADER.size)
    if header is None:
        return None
    body = _exactly(frames.HEADER.unpack(header)[0])
    return None if body is None else frames.load(body)


def _exactly(count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(_REQUESTS, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)

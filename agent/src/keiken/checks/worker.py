"""The child process in which checks are evaluated: it has a pipe, some memory, and nothing else.

It asks its parent for the state of files and ports. Frames are a length (4 bytes, big endian) and JSON; bytes
travel as ``{"@bytes": base64}``.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import resource
import struct
import sys
from typing import Any

MEMORY_BYTES = 1 << 30
FRAME_LIMIT = 64 << 20


def read_frame(descriptor: int) -> Any:
    """The next message; None at the end."""
    header = _read_exactly(descriptor, 4)
    if header is None:
        return None
    body = _read_exactly(descriptor, struct.unpack(">I", header)[0])
    return None if body is None else json.loads(body, object_hook=_decode)


def write_frame(descriptor: int, message: Any) -> None:
    body = json.dumps(message, default=_encode).encode()
    data = memoryview(struct.pack(">I", len(body)) + body)
    while data:
        data = data[os.write(descriptor, data) :]


def _read_exactly(descriptor: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(descriptor, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"@bytes": base64.b64encode(value).decode()}
    return str(value)


def _decode(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["@bytes"]) if value.keys() == {"@bytes"} else value


def _ask(what: str, argument: Any) -> Any:
    write_frame(1, {"ask": what, "argument": argument})
    answer = read_frame(0)
    if answer is None:
        sys.exit(0)
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["value"]


def sha256(value: str | bytes) -> str:
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def rows(text: str) -> list[dict[str, str]]:
    return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(io.StringIO(text))]


def functions() -> dict[str, Any]:
    return {
        "file": lambda path: _ask("file", path),
        "files": lambda pattern: _ask("files", pattern),
        "port": lambda number: _ask("port", number),
        "sha256": sha256,
        "json": json.loads,
        "csv": rows,
        "trim": lambda text: text.strip(),
        "split": lambda text, by: text.split(by),
        "lower": lambda text: text.lower(),
        "upper": lambda text: text.upper(),
        "replace": lambda text, old, new: text.replace(old, new),
        "length": len,
    }


def main() -> None:
    from keiken.checks.native import interpreter

    cel = interpreter()
    # The interpreter loads Python modules when it first converts values; later it could open none.
    warm = cel.Context()
    warm.update({"a": {"b": [1, 1.0, "", b"", None, True]}})
    cel.evaluate("a", warm)
    os.closerange(3, 256)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write_frame(1, {"ready": True})
    while (request := read_frame(0)) is not None:
        context = cel.Context()
        for name, function in functions().items():
            context.add_function(name, function)
        context.update(request["bindings"])
        try:
            write_frame(1, {"value": cel.evaluate(request["expression"], context)})
        except Exception as error:  # whatever the interpreter says of the expression goes to the parent as words
            write_frame(1, {"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()

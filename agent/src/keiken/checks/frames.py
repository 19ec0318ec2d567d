"""How the owner of checks and their child talk: a length (4 bytes, big endian) and JSON, nothing that becomes code.

JSON knows no bytes, so they travel as ``{"@bytes": base64}``; a map that could be taken for that travels as pairs.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

HEADER = struct.Struct(">I")
DEPTH_LIMIT = 64


class FrameError(ValueError):
    """A value that cannot travel: nested too deep, not finite, or of a kind JSON does not have."""


def dump(message: Any) -> bytes:
    """The frame of a message. Raises FrameError."""
    body = json.dumps(_encoded(message, 0), allow_nan=False).encode("ascii")
    return HEADER.pack(len(body)) + body


def load(body: bytes) -> Any:
    """The message in a frame's body. Raises ValueError when it is none."""
    return json.loads(body, object_hook=_decoded)


def _encoded(value: Any, depth: int) -> Any:
    if depth > DEPTH_LIMIT:
        raise FrameError("the value is nested too deep")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise FrameError("the value is no finite number")
        return value
    if isinstance(value, bytes):
        return {"@bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return _encoded_map(value, depth)
    if isinstance(value, list | tuple):
        return [_encoded(item, depth + 1) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    raise FrameError(f"the value is of the kind {type(value).__name__}, which JSON does not have")


def _encoded_map(value: Mapping[Any, Any], depth: int) -> Any:
    pairs = {_key(key): _encoded(item, depth + 1) for key, item in value.items()}
    return {"@map": list(pairs.items())} if any(key.startswith("@") for key in pairs) else pairs


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def _decoded(value: dict[str, Any]) -> Any:
    if value.keys() == {"@bytes"}:
        return base64.b64decode(value["@bytes"])
    if value.keys() == {"@map"}:
        return {str(key): item for key, item in value["@map"]}
    return value

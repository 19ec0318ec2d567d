"""The functions that checks may call besides CEL's own. They run in the child; the state is asked of the parent."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

HEAVY_FIELDS = {"bytes", "text", "lines", "json"}
"""Fields of a file that are only made when an expression names them."""
TEXT_LIMIT_BYTES = 2 << 20
ROWS_LIMIT = 100_000
csv.field_size_limit(TEXT_LIMIT_BYTES)

Ask = Callable[[str, Any], Any]


def functions(ask: Ask, names: set[str]) -> dict[str, Callable[..., Any]]:
    """By name. ``names`` are the words of the expression: what it does not name is not made."""
    return {
        "file": lambda path: _file(ask("file", path), names),
        "files": lambda pattern: ask("files", pattern),
        "port": lambda number: ask("port", number),
        "sha256": _sha256,
        "json": lambda text: _json(_text(text, "json")),
        "csv": lambda text: _rows(_text(text, "csv")),
        "trim": lambda text: _text(text, "trim").strip(),
        "split": lambda text, by: _text(text, "split").split(_text(by, "split")),
        "join": lambda items, by: _text(by, "join").join(_text(item, "join") for item in _list(items, "join")),
        "lower": lambda text: _text(text, "lower").lower(),
        "upper": lambda text: _text(text, "upper").upper(),
        "replace": lambda text, old, new: _text(text, "replace").replace(_text(old, "replace"), _text(new, "replace")),
        "length": _length,
        "min": lambda *items: min(_items(items, "min")),
        "max": lambda *items: max(_items(items, "max")),
    }


def _file(state: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The parent sends ``bytes`` only when asked for; text, lines and JSON are made of them here."""
    content = state.pop("bytes", None)
    if content is None or len(content) > TEXT_LIMIT_BYTES:
        return state
    if "bytes" in names:
        state["bytes"] = content
    if names.isdisjoint({"text", "lines", "json"}):
        return state
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return state
    if "text" in names:
        state["text"] = text
    if "lines" in names:
        state["lines"] = text.removesuffix("\n").split("\n") if text else []
    if "json" in names:
        try:
            state["json"] = _json(text)
        except ValueError:
            return state
    return state


def _sha256(value: Any) -> str:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return hashlib.sha256(_text(value, "sha256").encode()).hexdigest()


def _json(text: str) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"the text is not JSON ({error.msg}, line {error.lineno})") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None


def _rows(text: str) -> list[dict[str, str]]:
    """One map a row, by the first row's names; a byte order mark is passed over, missing cells are empty."""
    rows: list[dict[str, str]] = []
    for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")):
        rows.append({key: value or "" for key, value in row.items() if isinstance(key, str)})
        if len(rows) > ROWS_LIMIT:
            raise ValueError("the CSV has more than 100,000 rows")
    return rows


def _length(value: Any) -> int:
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise ValueError("length() takes text, bytes, a list or a map")


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{name}() takes text")


def _list(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{name}() takes a list")


def _items(items: tuple[Any, ...], name: str) -> list[Any]:
    values = items[0] if len(items) == 1 and isinstance(items[0], list) else list(items)
    if not values:
        raise ValueError(f"{name}() of nothing")
    return values

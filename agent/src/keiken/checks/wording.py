"""Plain sentences for what the interpreter says about an expression."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from keiken.checks.functions import TEXT_LIMIT_BYTES
from keiken.i18n import _

_PYTHON = re.compile(
    r"^Function '(\w+)' error: Python function call failed: (\w+): (.*?)\. Check function arguments", re.S
)
_BUILT_IN = re.compile(r"^Function '(\w+)' error: (.*?)\.? Check function arguments", re.S)
_UNKNOWN = re.compile(r"^Undefined variable or function: '([^']*)'")
_CONTENT = {"text", "lines", "bytes", "json", "sha256"}
SHOWN_CHARACTERS = 200

Answers = Mapping[tuple[str, Any], Mapping[str, Any]]


def plain(error: str, answers: Answers) -> str:
    """The reason in words. ``answers`` are what the state said, so that a missing file is named as such."""
    kind, _colon, text = error.partition(": ")
    if kind == "KeyError":
        return _missing(text.strip("'\""), answers)
    if found := _PYTHON.match(text):
        return found.group(3) if found.group(2) == "ValueError" else _wrong_arguments(found.group(1))
    if (found := _BUILT_IN.match(text)) and found.group(1) == "matches":
        return _("it holds no valid regular expression: {why}").format(why=found.group(2).split("\n")[-1])
    if found or (found := _UNKNOWN.match(text)):
        return _wrong_arguments(found.group(1))
    fixed = {
        "IndexError": _("a list has no such place ({why})").format(why=text),
        "ZeroDivisionError": _("it divides by zero"),
        "OverflowError": _("a number grows too large"),
        "MemoryError": _("it takes too much memory"),
        "TypeError": _("it puts values of different kinds together, or takes a part of what has none"),
    }
    return fixed.get(kind) or text.split("\n")[0].split(" Check ")[0] or kind


def _wrong_arguments(name: str) -> str:
    return _("{function}() cannot take what it is given").format(function=name)


def _missing(name: str, answers: Answers) -> str:
    """A file that is not there has no text; saying so helps more than the name of the missing field."""
    if name in _CONTENT:
        # The file asked for last is the one that stopped it.
        for (what, argument), answer in reversed(list(answers.items())):
            state = answer.get("value")
            if what == "file" and isinstance(state, Mapping) and (why := _why_without(name, state)):
                return why.format(path=str(argument).strip("'\""), field=name)
    return _("there is no '{name}'").format(name=name)


def _why_without(field: str, state: Mapping[str, Any]) -> str:
    """Why a file does not have this part of its content; empty when it does."""
    content = state.get("bytes")
    if not state.get("exists"):
        return _("the file {path} does not exist")
    if state.get("kind") != "file":
        return _("{path} is no plain file")
    if field == "sha256":
        return "" if "sha256" in state else _("{path} is too large to be read")
    if content is None or len(content) > TEXT_LIMIT_BYTES:
        return _("{path} is too large to be read")
    if field != "bytes" and not _is_text(content):
        return _("{path} is not UTF-8 text")
    return _("{path} is not JSON") if field == "json" else ""


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def shown(value: Any) -> str:
    """A value for people, as CEL would write it."""
    return cut(unlimited(value))


def unlimited(value: Any) -> str:
    if isinstance(value, bytes):
        return _("{n} bytes").format(n=len(value))
    return json.dumps(value, ensure_ascii=False, default=lambda item: f"{len(item)} bytes")


def cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"

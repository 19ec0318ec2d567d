"""Secrets never leave: their values, and the forms programs commonly turn them into, are masked in all that is kept.

Sought are the value itself, reversed, in capitals and small letters, quoted for a shell, escaped for JSON, Python,
HTML and URLs, in base64 and base32 (also inside a longer text), and as hexadecimal bytes; each also when broken over
lines or spread out by spaces. A program that is set on leaking can still find a form that is not among them: what keeps
a secret in is that the sandbox has no network and that a report is shown to its owner before it is sent.
"""

from __future__ import annotations

import base64
import bisect
import html
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 4
_SPACE = re.compile(r"\s+")
_BETWEEN_BYTES = re.compile(r"\\x|0x|[\s:,%\\-]+")
_SMALL = str.maketrans("ABCDEF", "abcdef")


class Mask:
    """Replaces every known form of every secret by ``[secret NAME]``."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._words: dict[str, str] = {}
        self._bytes: dict[str, str] = {}
        for name, value in secrets.items():
            if len(_SPACE.sub("", value)) < SHORTEST:
                continue
            self._words |= dict.fromkeys(_forms(value), name)
            self._bytes |= dict.fromkeys(_hexadecimal(value), name)

    @property
    def has_secrets(self) -> bool:
        return bool(self._words)

    @property
    def margin(self) -> int:
        """As many characters as a form may span: where a text was cut off, so much of its end may hold part of one."""
        return 2 * max(map(len, [*self._words, *self._bytes]), default=0)

    def text(self, text: str) -> str:
        if not self._words:
            return text
        spans = [*_spans(text, text, _SPACE, self._words)]
        spans += _spans(text, text.translate(_SMALL), _BETWEEN_BYTES, self._bytes)
        if not spans:
            return text
        parts, position = [], 0
        for start, end, name in _merged(spans):
            parts += [text[position:start], f"[secret {name}]"]
            position = end
        return "".join([*parts, text[position:]])

    def value(self, value: Any) -> Any:
        """The same for JSON: texts and numbers at any depth, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "replace"))
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            written = str(value)
            masked = self.text(written)
            return value if masked == written else masked
        return value


Span = tuple[int, int, str]


def _spans(original: str, text: str, passed_over: re.Pattern[str], forms: Mapping[str, str]) -> Iterator[Span]:
    """Where in the original the forms stand, whatever is passed over between their characters."""
    squeezed = passed_over.sub("", text)
    found = [(form, name) for form, name in forms.items() if form in squeezed]
    if not found:
        return
    starts, origins = [0], [0]
    length = 0
    for gap in passed_over.finditer(text):
        length = gap.start() - (origins[-1] - starts[-1])
        starts.append(length)
        origins.append(gap.end())

    def origin(position: int) -> int:
        index = bisect.bisect_right(starts, position) - 1
        return origins[index] + position - starts[index]

    for form, name in found:
        position = squeezed.find(form)
        while position >= 0:
            yield origin(position), min(len(original), origin(position + len(form) - 1) + 1), name
            position = squeezed.find(form, position + 1)


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end, name in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        else:
            merged.append((start, end, name))
    return merged


def _forms(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, value.lower(), value.upper(), value[::-1], shlex.quote(value), html.escape(value)}
    forms |= {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    forms |= {line for line in value.splitlines() if len(line) >= 2 * SHORTEST}
    for written in _encoded(raw, base64.b64encode, 6, 3):
        forms |= {written, written.replace("+", "-").replace("/", "_")}
    forms |= set(_encoded(raw, base64.b32encode, 5, 5))
    squeezed = {_SPACE.sub("", form) for form in forms}
    return {form for form in squeezed if len(form) >= SHORTEST}


def _encoded(raw: bytes, encode: Callable[[bytes], bytes], bits: int, group: int) -> Iterator[str]:
    """What is sure to stand in the encoding of any text that holds this one, for each place in a group of bytes."""
    yield encode(raw).decode("ascii").rstrip("=")
    for shift in range(group):
        written = encode(b"\0" * shift + raw).decode("ascii")
        yield written[-(-shift * 8 // bits) : (shift + len(raw)) * 8 // bits]


def _hexadecimal(value: str) -> set[str]:
    return {value.encode("utf-8", "surrogatepass").hex(), value[::-1].encode("utf-8", "surrogatepass").hex()}

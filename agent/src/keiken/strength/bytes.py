"""The smallest wrong contents of a file or a value: of the same form, so that only a check of the content notices."""

from __future__ import annotations

import string
from typing import Any

_ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


def changed_at(content: bytes) -> int | None:
    """Where ``with_byte_changed`` changes: the letter or digit nearest to the middle, else the nearest byte that is not
    NUL (padding may mean nothing). None when there is neither.
    """
    meaningful = (string.ascii_letters + string.digits).encode()
    return _nearest(content, frozenset(meaningful)) if content else None


def _nearest(content: bytes, meaningful: frozenset[int]) -> int | None:
    middle = len(content) // 2
    fallback = None
    for distance in range(len(content)):
        for index in (middle - distance, middle + distance):
            if 0 <= index < len(content):
                if content[index] in meaningful:
                    return index
                if fallback is None and content[index]:
                    fallback = index
    return fallback


def with_byte_changed(content: bytes) -> bytes | None:
    """The same length, one byte other: a digit for a digit, a letter for a letter. None where none can change."""
    index = changed_at(content)
    if index is None:
        return None
    return content[:index] + bytes([_other(content[index])]) + content[index + 1 :]


def _other(byte: int) -> int:
    for alphabet in _ALPHABETS:
        letters = alphabet.encode()
        if byte in letters:
            # Of hexadecimal text only hexadecimal digits may come: 'f' becomes 'a', 'F' becomes 'A'.
            cycle = letters if byte not in b"abcdefABCDEF" else letters[:6]
            return cycle[(cycle.index(byte) + 1) % len(cycle)]
    return byte ^ 1


def wrong_value(value: Any) -> Any:
    """Another value of the same form; None when there is none (null, and what is empty)."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return _wrong_text(value) if value else None
    if isinstance(value, list) and value:
        return value[:-1]
    if isinstance(value, dict) and value:
        return dict(list(value.items())[:-1])
    return None


def _wrong_text(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    index = changed_at(encoded)
    if index is not None and encoded[index] < 0x80:
        return (encoded[:index] + bytes([_other(encoded[index])]) + encoded[index + 1 :]).decode(
            "utf-8", "surrogatepass"
        )
    middle = len(text) // 2
    return text[:middle] + ("?" if text[middle] != "?" else "!") + text[middle + 1 :]

"""Globs over job paths: ``*`` and ``?`` stay within one name, ``**`` crosses folders, ``[a-c]`` is one character."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=512)
def matcher(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression to be used with ``fullmatch``. Linear in time: no nested repetition is made."""
    made, position = [], 0
    while position < len(pattern):
        character = pattern[position]
        if pattern.startswith("**/", position):
            made.append("(?:[^/]+/)*+")
            position += 3
        elif pattern.startswith("**", position):
            made.append(".*")
            position += 2
        elif character == "[" and (end := pattern.find("]", position + 2)) > 0:
            body = pattern[position + 1 : end]
            negated = body[0] in "!^"
            made.append(f"(?!/)[{'^' if negated else ''}{re.escape(body[negated:]).replace(chr(92) + '-', '-')}]")
            position = end + 1
        else:
            made.append({"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character)))
            position += 1
    return re.compile("".join(made), re.DOTALL)


def matches(pattern: str, path: str) -> bool:
    return matcher(pattern).fullmatch(path) is not None

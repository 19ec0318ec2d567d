"""The words of an expression, and where its parts begin: enough to bound and explain a check, not a second parser."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from keiken.errors import KeikenError
from keiken.i18n import _

OPENING, CLOSING = "([{", ")]}"
COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}

_TOKEN = re.compile(
    r"""(?P<string>[rRbB]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\r\n])*'|"(?:\\.|[^"\\\r\n])*"))
      |(?P<number>\d[\w.]*)|(?P<name>[A-Za-z_]\w*)|(?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
      |(?P<space>[ \t\r\n\f]+)""",
    re.X | re.S | re.A,
)


class CheckError(KeikenError):
    """A check that cannot be read or evaluated; it then counts as not holding."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """``string``, ``number``, ``name`` or ``operator``."""
    text: str
    start: int

    def is_operator(self, *texts: str) -> bool:
        return self.kind == "operator" and self.text in texts


@lru_cache(maxsize=1024)
def tokens(expression: str) -> tuple[Token, ...]:
    """Remembered, because the same checks are evaluated again and again.

    Raises CheckError ``check_syntax`` at the first character that is no part of CEL, and at comments: one could hide
    words from the limits that are held against these tokens.
    """
    found: list[Token] = []
    position = 0
    while position < len(expression):
        match = None if expression.startswith("//", position) else _TOKEN.match(expression, position)
        if match is None:
            raise CheckError(
                "check_syntax",
                _("'{expression}' cannot be read at character {n}.").format(expression=expression, n=position + 1),
                _("A check is one CEL expression without comments; text stands in quotes."),
            )
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return tuple(found)


def split(expression: str, separators: Collection[str]) -> tuple[list[str], list[str]]:
    """The parts of an expression between separators at its top level, and the separators found."""
    depth, start = 0, 0
    parts: list[str] = []
    found: list[str] = []
    for token in tokens(expression):
        depth += _step(token)
        if depth == 0 and token.text in separators and token.kind in ("operator", "name"):
            parts.append(expression[start : token.start].strip())
            found.append(token.text)
            start = token.start + len(token.text)
    return [*parts, expression[start:].strip()], found


def has_at_top(expression: str, *operators: str) -> bool:
    return bool(split(expression, operators)[1])


def without_parentheses(expression: str) -> str:
    """The expression without parentheses that enclose all of it."""
    while True:
        parts = tokens(expression)
        if len(parts) < 3 or not parts[0].is_operator("(") or _closing(parts, 0) != len(parts) - 1:
            return expression.strip()
        expression = expression[parts[0].start + 1 : parts[-1].start]


def last_call(expression: str) -> tuple[str, str, list[str]] | None:
    """Receiver, method and arguments, where the whole expression is a method call: ``a.b.contains('x')``."""
    parts = tokens(expression)
    if not parts or not parts[-1].is_operator(")"):
        return None
    opening = next((n for n in range(len(parts) - 1, -1, -1) if _encloses(parts, n)), 0)
    if opening < 3 or parts[opening - 1].kind != "name" or not parts[opening - 2].is_operator("."):
        return None
    receiver = expression[: parts[opening - 2].start].strip()
    if _has_operators_at_top(receiver):
        return None
    inside = expression[parts[opening].start + 1 : parts[-1].start]
    return receiver, parts[opening - 1].text, split(inside, {","})[0]


def _encloses(parts: Sequence[Token], index: int) -> bool:
    return parts[index].is_operator("(") and _closing(parts, index) == len(parts) - 1


def _has_operators_at_top(expression: str) -> bool:
    return has_at_top(expression, "&&", "||", "?", "!", "+", "-", "*", "/", "%", "in", *COMPARISONS)


def _closing(parts: Sequence[Token], opening: int) -> int | None:
    """The index of the bracket that closes the one at ``opening``."""
    depth = 0
    for index in range(opening, len(parts)):
        depth += _step(parts[index])
        if depth == 0:
            return index
    return None


def _step(token: Token) -> int:
    if token.kind != "operator":
        return 0
    return (token.text in OPENING) - (token.text in CLOSING)


def references(expression: str) -> set[tuple[str, ...]]:
    """What an expression names, as paths: ``('parameters', 'days')``, ``('steps', 'key', 'outputs', 'path')``.

    Names bound by macros are among them; a path ends where an index or a call begins.
    """
    parts = tokens(expression)
    found = set()
    for index, part in enumerate(parts):
        if part.kind != "name" or (index > 0 and parts[index - 1].is_operator(".")):
            continue
        path, position = [part.text], index + 1
        while position + 1 < len(parts) and parts[position].is_operator(".") and parts[position + 1].kind == "name":
            path.append(parts[position + 1].text)
            position += 2
        if position < len(parts) and parts[position].is_operator("("):
            path.pop()
        if path:
            found.add(tuple(path))
    return found

"""``${{ expression }}``: one value into one word, one JSON value or one variable; never into script text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from keiken.errors import Diverged
from keiken.i18n import _

PATTERN = re.compile(r"\$\{\{(.*?)\}\}", re.S)
SECRET = re.compile(r"^secrets\.([a-z][a-z0-9_]*)$")

Evaluate = Callable[[str], Any]


def fill(text: str, evaluate: Evaluate, secrets: Mapping[str, str]) -> str:
    """The text with every expression's value in its place. Raises Diverged where a value is no single word."""

    def value_of(match: re.Match[str]) -> str:
        expression = match.group(1).strip()
        if secret := SECRET.match(expression):
            return secrets[secret.group(1)]
        return as_word(evaluate(expression), expression)

    filled = PATTERN.sub(value_of, text)
    if "\0" in filled:
        raise Diverged("value_not_usable", _("A value holds a NUL byte, which no command can take."))
    return filled


def as_word(value: Any, expression: str) -> str:
    """Text as it is, numbers and true/false as JSON writes them; lists, mappings and null are no word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise Diverged(
        "value_not_usable",
        _("'{expression}' is {kind}, and only text, numbers, true and false fit into one word.").format(
            expression=expression, kind=type(value).__name__
        ),
    )

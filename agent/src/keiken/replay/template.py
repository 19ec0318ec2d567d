"""``${{ expression }}``: one value into one word, one JSON value or one variable; never into script text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keiken.errors import Failed
from keiken.i18n import _

PATTERN = re.compile(r"\$\{\{(.*?)\}\}", re.S)
SECRET = re.compile(r"^secrets\.([a-z][a-z0-9_]*)$")
_NUMBER = re.compile(r"-\d+(\.\d+)?([eE][-+]?\d+)?")

Evaluate = Callable[[str], Any]
Fill = Callable[[str], str]


def expressions(text: str) -> list[str]:
    return [found.strip() for found in PATTERN.findall(text)]


def fill(text: str, evaluate: Evaluate, secrets: Mapping[str, str]) -> str:
    """The text with every expression's value in its place, once: a value is never looked at for expressions.

    Raises Failed ``value_not_usable`` where a value is no single word.
    """

    def value_of(match: re.Match[str]) -> str:
        expression = match.group(1).strip()
        if secret := SECRET.match(expression):
            if secret.group(1) not in secrets:
                raise _not_usable(_("There is no secret '{name}'.").format(name=secret.group(1)))
            return secrets[secret.group(1)]
        return as_word(evaluate(expression), expression)

    filled = PATTERN.sub(value_of, text)
    if "\0" in filled:
        raise _not_usable(_("A value holds a NUL byte, which no command can take."))
    return filled


def fill_words(words: Sequence[str], fill_one: Fill) -> list[str]:
    """A command line. Raises Failed where a value would be taken for an option that the step does not name.

    After ``--``, and for numbers, a leading dash is allowed.
    """
    filled = []
    for index, word in enumerate(words):
        value = fill_one(word)
        refuse_option(words, index, value)
        filled.append(value)
    return filled


def refuse_option(words: Sequence[str], index: int, value: str) -> None:
    """Raises Failed where the value of the word at this place would be taken for an option."""
    is_value = words[index].lstrip().startswith("${{")
    if is_value and value.startswith("-") and not _NUMBER.fullmatch(value) and "--" not in words[:index]:
        raise _not_usable(
            _("The value of {word} begins with '-', so the command would take it as an option.").format(
                word=words[index]
            ),
            _("Give another value; the publisher can put '--' before it, or write --name={word}.").format(
                word=words[index]
            ),
        )


def as_word(value: Any, expression: str) -> str:
    """Text as it is, numbers and true/false as JSON writes them; lists, maps, bytes and null are no word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    kinds = {list: _("a list"), dict: _("a map"), bytes: _("bytes"), type(None): _("nothing (null)")}
    raise _not_usable(
        _("'{expression}' is {kind}, and only text, numbers, true and false fit into one word.").format(
            expression=expression, kind=kinds.get(type(value), type(value).__name__)
        ),
        _("Choose one of its parts, or join them: join(list, ',')."),
    )


def _not_usable(message: str, advice: str = "") -> Failed:
    return Failed("value_not_usable", message, advice)

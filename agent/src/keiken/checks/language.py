"""What a check may say: its words, and how large and deep it may be. Looked at before it is ever evaluated."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keiken.checks.native import interpreter
from keiken.errors import KeikenError
from keiken.i18n import _

LENGTH_LIMIT = 2_000
DEPTH_LIMIT = 24
MACRO_DEPTH_LIMIT = 2
"""Macros loop over lists: three inside each other would be a billion turns over a thousand lines."""

VARIABLES = {"result", "parameters", "steps", "facts"}
STATE_FUNCTIONS = {"file", "files", "port"}
PURE_FUNCTIONS = {"sha256", "json", "csv", "trim", "split", "lower", "upper", "replace", "length"}
CEL_FUNCTIONS = {
    "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes", "type",
    "timestamp", "duration", "min", "max", "getFullYear", "getMonth", "getDate", "getHours", "getMinutes", "getSeconds",
}  # fmt: skip
MACROS = {"all", "exists", "exists_one", "map", "filter", "has"}
FUNCTIONS = STATE_FUNCTIONS | PURE_FUNCTIONS | CEL_FUNCTIONS | MACROS
_WORDS = {"true", "false", "null", "in"}

_TOKEN = re.compile(
    r"""(?P<string>[rRbB]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
      |(?P<number>\d[\w.]*)|(?P<name>[A-Za-z_]\w*)|(?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])|(?P<space>\s+)""",
    re.X | re.S,
)


class CheckError(KeikenError):
    """A check that cannot be read or evaluated; it then counts as not holding."""

    exit_code = 4


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int


def tokens(expression: str) -> list[Token]:
    """Raises CheckError ``check_syntax`` at the first character that is no part of CEL."""
    found, position = [], 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise CheckError(
                "check_syntax",
                _("'{expression}' cannot be read at character {n}.").format(expression=expression, n=position + 1),
            )
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return found


def lint(expression: str) -> None:
    """Whether an expression may be evaluated at all. Raises CheckError with a plain sentence."""
    if len(expression) > LENGTH_LIMIT:
        raise CheckError("check_too_large", _("A check has at most 2,000 characters."))
    parts = tokens(expression)
    _check_depth(expression, parts)
    _check_names(expression, parts)
    try:
        interpreter().compile(expression)
    except Exception as error:  # the Rust parser raises several kinds, all of them about the text
        why = str(error).split("\n")[0].split("ERROR:")[-1].strip()
        raise CheckError(
            "check_syntax", _("'{expression}' cannot be read: {why}.").format(expression=expression, why=why)
        ) from None


def _check_depth(expression: str, parts: list[Token]) -> None:
    depth = macros = 0
    stack: list[bool] = []
    for index, part in enumerate(parts):
        if part.text in "([{" and part.kind == "operator":
            is_macro = (
                part.text == "("
                and index > 1
                and parts[index - 1].text in MACROS - {"has"}
                and parts[index - 2].text == "."
            )
            stack.append(is_macro)
            depth, macros = depth + 1, macros + is_macro
        elif part.text in ")]}" and part.kind == "operator" and stack:
            depth, macros = depth - 1, macros - stack.pop()
        if depth > DEPTH_LIMIT or macros > MACRO_DEPTH_LIMIT:
            raise CheckError("check_too_deep", _("'{expression}' is nested too deep.").format(expression=expression))
    operators = sum(part.text in ("!", "-", "&&", "||", "?", "+") for part in parts)
    if operators > 200:
        raise CheckError("check_too_large", _("'{expression}' has too many operators.").format(expression=expression))


def _check_names(expression: str, parts: list[Token]) -> None:
    bound = _macro_variables(parts)
    for index, part in enumerate(parts):
        if part.kind != "name" or part.text in _WORDS:
            continue
        following = parts[index + 1].text if index + 1 < len(parts) else ""
        is_member = index > 0 and parts[index - 1].text == "."
        if following == "(":
            if part.text not in FUNCTIONS:
                known = ", ".join(sorted(FUNCTIONS))
                raise CheckError(
                    "check_unknown_function",
                    _("'{expression}' calls '{name}', which checks do not know.").format(
                        expression=expression, name=part.text
                    ),
                    _("Known are: {names}.").format(names=known),
                )
        elif not is_member and part.text not in VARIABLES | bound:
            raise CheckError(
                "check_unknown_variable",
                _("'{expression}' names '{name}', which checks do not know.").format(
                    expression=expression, name=part.text
                ),
                _("Known are: {names}.").format(names=", ".join(sorted(VARIABLES))),
            )


def _macro_variables(parts: list[Token]) -> set[str]:
    """The names that macros bind: ``x`` in ``list.all(x, …)``."""
    return {
        parts[index + 2].text
        for index, part in enumerate(parts[:-3])
        if part.text in MACROS and parts[index + 1].text == "(" and parts[index + 3].text == ","
    }


def conjuncts(expression: str) -> list[str]:
    """The parts of a check that are joined by ``&&`` at its top level."""
    return _split(expression, {"&&"})[0]


def comparison(expression: str) -> tuple[str, str, str] | None:
    """Left side, operator and right side, when its top level is one comparison."""
    sides, found = _split(expression, {"==", "!=", "<", "<=", ">", ">="})
    return (sides[0], found[0], sides[1]) if len(sides) == 2 else None


def _split(expression: str, separators: set[str]) -> tuple[list[str], list[str]]:
    depth, start = 0, 0
    parts: list[str] = []
    found: list[str] = []
    for part in tokens(expression):
        if part.kind != "operator":
            continue
        depth += (part.text in "([{") - (part.text in ")]}")
        if depth == 0 and part.text in ("?", "||"):
            return [expression], []
        if depth == 0 and part.text in separators:
            parts.append(expression[start : part.start].strip())
            found.append(part.text)
            start = part.start + len(part.text)
    return [*parts, expression[start:].strip()], found

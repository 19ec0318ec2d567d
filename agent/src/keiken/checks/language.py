"""What a check may say: its words, and how large and deep it may be. Looked at before it is ever evaluated."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from keiken.checks.native import interpreter
from keiken.checks.tokens import CLOSING, OPENING, CheckError, Token, tokens
from keiken.i18n import _

LENGTH_LIMIT = 2_000
DEPTH_LIMIT = 24
OPERATOR_LIMIT = 300
"""The parser is recursive: a chain of a thousand operators overflows the small stack of a foreign thread."""
MACRO_DEPTH_LIMIT = 2
"""Macros loop over lists: three inside each other would be a billion turns over a thousand lines."""

VARIABLES = {"result", "parameters", "steps", "facts"}
STATE_FUNCTIONS = {"file", "files", "port"}
PURE_FUNCTIONS = {
    "sha256", "json", "csv", "trim", "split", "join", "lower", "upper", "replace", "length", "min", "max",
}  # fmt: skip
CEL_FUNCTIONS = {
    "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes", "type",
    "timestamp", "duration", "getFullYear", "getMonth", "getDate", "getHours", "getMinutes", "getSeconds",
}  # fmt: skip
LOOPS = {"all", "exists", "exists_one", "map", "filter"}
FUNCTIONS = STATE_FUNCTIONS | PURE_FUNCTIONS | CEL_FUNCTIONS | LOOPS | {"has"}
_WORDS = {"true", "false", "null", "in"}
_NO_CHAIN = {",", ":", *CLOSING}


def lint(expression: str) -> None:
    """Whether an expression may be evaluated at all. Raises CheckError with a plain sentence."""
    _lint(expression)


@lru_cache(maxsize=1024)
def _lint(expression: str) -> None:
    """The same expressions are evaluated again and again; what was good stays good."""
    if len(expression) > LENGTH_LIMIT:
        raise CheckError(
            "check_too_large",
            _("A check has at most {n} characters; this one has {found}.").format(
                n=LENGTH_LIMIT, found=len(expression)
            ),
            _("Split it into several checks."),
        )
    parts = tokens(expression)
    if sum(part.kind == "operator" and part.text not in _NO_CHAIN for part in parts) > OPERATOR_LIMIT:
        raise CheckError(
            "check_too_large",
            _("'{expression}' has more than {n} operators.").format(expression=_short(expression), n=OPERATOR_LIMIT),
            _("Split it into several checks."),
        )
    _walk(expression, parts)
    _parse(expression)


def _parse(expression: str) -> None:
    try:
        interpreter().compile(expression)
    except Exception as error:  # the Rust parser raises several kinds, all of them about the text
        why = str(error).split("\n")[0].split("ERROR:")[-1].strip().removeprefix("<input>:").rstrip(".")
        raise CheckError(
            "check_syntax",
            _("'{expression}' cannot be read: {why}.").format(expression=_short(expression), why=why),
            _("Checks are CEL expressions; docs/checks.md shows their form."),
        ) from None


def _walk(expression: str, parts: Sequence[Token]) -> None:
    """Depth, names and functions, with the names that a macro binds known only inside it."""
    scopes: list[str | None] = []
    for index, part in enumerate(parts):
        if part.is_operator(*OPENING):
            scopes.append(_bound_name(parts, index))
            if len(scopes) > DEPTH_LIMIT or sum(name is not None for name in scopes) > MACRO_DEPTH_LIMIT:
                raise _too_deep(expression)
        elif part.is_operator(*CLOSING) and scopes:
            scopes.pop()
        elif part.kind == "name" and part.text not in _WORDS:
            following = parts[index + 1] if index + 1 < len(parts) else None
            is_member = index > 0 and parts[index - 1].is_operator(".")
            if following is not None and following.is_operator("("):
                _check_function(expression, part.text, is_member)
            elif following is not None and following.is_operator("{"):
                raise CheckError(
                    "check_unknown_type",
                    _("'{expression}' makes a '{name}', which checks do not know.").format(
                        expression=_short(expression), name=part.text
                    ),
                    _("Write a map as {form}.").format(form="{'key': value}"),
                )
            elif not is_member and part.text not in VARIABLES and part.text not in scopes:
                raise _unknown_variable(expression, part.text, [name for name in scopes if name])


def _bound_name(parts: Sequence[Token], opening: int) -> str | None:
    """The name that a macro binds, where this parenthesis opens one: ``x`` in ``list.all(x, …)``."""
    if opening < 2 or not parts[opening].is_operator("("):
        return None
    if parts[opening - 1].text not in LOOPS or not parts[opening - 2].is_operator("."):
        return None
    following = parts[opening + 1] if opening + 1 < len(parts) else None
    return following.text if following is not None and following.kind == "name" else ""


def _check_function(expression: str, name: str, is_member: bool) -> None:
    if name not in FUNCTIONS:
        raise CheckError(
            "check_unknown_function",
            _("'{expression}' calls '{name}', which checks do not know.").format(
                expression=_short(expression), name=name
            ),
            _suggestion(name, FUNCTIONS),
        )
    if (name in LOOPS and not is_member) or (name == "has" and is_member):
        form = "has(parameters.days)" if name == "has" else f"files('work/*').{name}(x, …)"
        raise CheckError(
            "check_syntax",
            _("'{expression}' uses '{name}' in a form that it does not have.").format(
                expression=_short(expression), name=name
            ),
            _("Write it as {form}.").format(form=form),
        )


def _unknown_variable(expression: str, name: str, bound: Iterable[str]) -> CheckError:
    return CheckError(
        "check_unknown_variable",
        _("'{expression}' names '{name}', which checks do not know.").format(expression=_short(expression), name=name),
        _suggestion(name, VARIABLES | set(bound)),
    )


def _too_deep(expression: str) -> CheckError:
    return CheckError(
        "check_too_deep",
        _("'{expression}' is nested too deep.").format(expression=_short(expression)),
        _(
            "Brackets go at most {depth} deep, and at most {loops} of all, exists, map and filter inside each other."
        ).format(depth=DEPTH_LIMIT, loops=MACRO_DEPTH_LIMIT),
    )


def _suggestion(name: str, known: Collection[str]) -> str:
    if close := difflib.get_close_matches(name, sorted(known), n=1):
        return _("Is '{name}' meant?").format(name=close[0])
    return _("Known are: {names}.").format(names=", ".join(sorted(known)))


def _short(expression: str) -> str:
    return expression if len(expression) <= 200 else f"{expression[:200]}…"

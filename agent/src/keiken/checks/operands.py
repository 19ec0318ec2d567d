"""The values a check looked at: what stands on either side of its comparisons, and what its calls were made on."""

from __future__ import annotations

from collections.abc import Iterator

from keiken.checks.tokens import COMPARISONS, has_at_top, last_call, split, tokens, without_parentheses

OPERANDS_LIMIT = 8


def operands(expression: str) -> list[str]:
    """The parts of a readable expression whose values say what was seen, in their order, without repetition.

    ``file('a').size > 5 && result.stdout.contains('ok')`` gives ``file('a').size`` and ``result.stdout``. A part that
    is written out in the check says nothing new and is left out; so is the time a step took, which never repeats.
    """
    found = dict.fromkeys(part for part in _parts(expression) if _tells(part))
    return list(found)[:OPERANDS_LIMIT]


def _parts(expression: str) -> Iterator[str]:
    expression = without_parentheses(expression)
    if not expression:
        return
    for separators in ({"&&"}, {"||"}):
        parts = split(expression, separators)[0]
        if len(parts) > 1:
            for part in parts:
                yield from _parts(part)
            return
    if has_at_top(expression, "?"):
        yield expression
    elif expression.startswith("!"):
        yield from _parts(expression[1:])
    else:
        yield from _compared(expression)


def _compared(expression: str) -> Iterator[str]:
    for separators in (COMPARISONS, {"in"}):
        sides = split(expression, separators)[0]
        if len(sides) == 2:
            yield from (without_parentheses(side) for side in sides)
            return
    call = last_call(expression)
    yield call[0] if call is not None else expression


def _tells(part: str) -> bool:
    words = tokens(part)
    is_literal = len(words) == 1 and (words[0].kind != "name" or words[0].text in ("true", "false", "null"))
    return bool(words) and not is_literal and not any(word.text == "duration_seconds" for word in words)

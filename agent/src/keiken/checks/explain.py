"""Why a check does not hold: the part of it that is false, with the values it looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keiken.checks.tokens import COMPARISONS, CheckError, has_at_top, last_call, split, tokens, without_parentheses
from keiken.checks.wording import shown
from keiken.i18n import _

Evaluate = Callable[[str], Any]
Show = Callable[[Any], str]
PARTS_LIMIT = 20
"""Explaining costs an evaluation or two for each part."""


def explain(expression: str, evaluate: Evaluate, show: Show | None = None) -> str:
    """For people; never raises CheckError. The whole expression where nothing better is found."""
    return _Explanation(evaluate, show or shown).of(expression)


class _Explanation:
    def __init__(self, evaluate: Evaluate, show: Show) -> None:
        self._evaluate, self._show = evaluate, show
        self._left = PARTS_LIMIT

    def of(self, expression: str) -> str:
        """The first part joined by ``&&`` that is not true."""
        expression = without_parentheses(expression)
        if has_at_top(expression, "?", "||"):
            return self._of_false(expression)
        for part in split(expression, {"&&"})[0]:
            try:
                if self._value(part) is True:
                    continue
            except CheckError as error:
                return error.message
            if part != expression and has_at_top(without_parentheses(part), "&&"):
                return self.of(part)
            return self._of_false(part)
        return expression

    def _of_false(self, part: str) -> str:
        try:
            return self._details(without_parentheses(part)) or part
        except CheckError as error:
            return error.message

    def _details(self, part: str) -> str | None:
        if has_at_top(part, "?"):
            return None
        if has_at_top(part, "||"):
            return "; ".join(self._of_false(branch) for branch in split(part, {"||"})[0])
        sides, operators = split(part, COMPARISONS)
        if len(sides) == 2:
            return self._compared(sides[0], operators[0], sides[1])
        sides, operators = split(part, {"in"})
        if len(sides) == 2:
            return self._not_in(*sides)
        if part.startswith("!"):
            return _("{part} is true").format(part=part[1:].strip())
        if call := last_call(part):
            return self._called(part, *call)
        return _("{part} is {value}").format(part=part, value=self._show(self._value(part)))

    def _compared(self, left: str, operator: str, right: str) -> str:
        """``file('work/a').size is 0, not > 500``; a side that is written out in the check says nothing new."""
        sides = [
            _("{part} is {value}").format(part=side, value=self._show(self._value(side)))
            for side in (left, right)
            if not _is_literal(side)
        ]
        wanted = f"{operator} {right}" if _is_literal(right) else operator
        return _("{sides}; it should be {wanted}").format(sides=_(" and ").join(sides), wanted=wanted)

    def _not_in(self, item: str, container: str) -> str:
        value = self._show(self._value(item))
        found = _("{part} is {value}").format(part=container, value=self._show(self._value(container)))
        return _("{found}; it should hold {item}").format(found=found, item=value)

    def _called(self, part: str, receiver: str, method: str, arguments: list[str]) -> str:
        if method == "all" and len(arguments) == 2:
            name, condition = arguments
            failing = self._value(f"{receiver}.filter({name}, !({condition}))")
            if isinstance(failing, list) and failing:
                text = _("{condition} is false for {count} of {part}, first for {value}")
                return text.format(condition=condition, count=len(failing), part=receiver, value=self._show(failing[0]))
        if method in ("exists", "exists_one", "contains", "startsWith", "endsWith", "matches"):
            value = self._show(self._value(receiver))
            return _("{part} is false: {receiver} is {value}").format(part=part, receiver=receiver, value=value)
        return _("{part} is {value}").format(part=part, value=self._show(self._value(part)))

    def _value(self, part: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise CheckError("check_too_large", _("it has too many parts to say which one is false"))
        return self._evaluate(part)


def _is_literal(side: str) -> bool:
    parts = [token for token in tokens(side) if not token.is_operator("-")]
    return len(parts) == 1 and (parts[0].kind != "name" or parts[0].text in ("true", "false", "null"))

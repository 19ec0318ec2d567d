"""One replay's checks: expressions with what they may see, and how they become records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from keiken.checks import CheckError, Evaluator
from keiken.checks.operands import operands
from keiken.checks.tokens import Token, tokens
from keiken.checks.wording import cut, unlimited
from keiken.errors import Diverged, Failed, KeikenError
from keiken.i18n import _
from keiken.package.manifest import Step
from keiken.replay.clock import Clock
from keiken.replay.masking import Mask
from keiken.replay.notebook import Notebook
from keiken.replay.report import CheckRecord
from keiken.replay.reporting import check_size, plain
from keiken.replay.template import Fill, fill

Kind = Literal["requires", "expect", "invariant", "scenario", "when", "output", "result", "ready"]
_CODES = {"requires": "precondition_failed", "invariant": "invariant_failed"}


class Checker:
    """Evaluates over one sandbox's state. ``outputs`` grows with every step."""

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        mask: Mask,
        clock: Clock,
        parameters: Mapping[str, Any],
        secrets: Mapping[str, str],
        facts: Mapping[str, Any],
        steps: Iterable[Step],
        notebook: Notebook | None = None,
    ) -> None:
        self._evaluator, self.mask, self._clock = evaluator, mask, clock
        self._notebook = notebook
        self._parameters, self._secrets, self._facts = dict(parameters), dict(secrets), dict(facts)
        self._outputs: dict[str, Any] = {step.id: {"outputs": {}} for step in steps}

    def check(self, kind: Kind, expression: str, result: Mapping[str, Any]) -> CheckRecord:
        """A check that cannot be evaluated does not hold; its error is the detail."""
        bindings = self._bindings(result)
        try:
            value = self._evaluator.evaluate(expression, bindings)
            if self._notebook is not None:
                values = self._evaluator.values(operands(expression), bindings)
                self._notebook.note_values(kind, expression, values)
            if value is True:
                return CheckRecord(kind=kind, expression=expression, holds=True)
            detail = (
                self._evaluator.explain(expression, bindings, self._show)
                if value is False
                else _("it is {value}, which is neither true nor false").format(value=self._show(value))
            )
        except CheckError as error:
            detail = error.message
        return CheckRecord(kind=kind, expression=expression, holds=False, detail=self.mask.text(detail))

    def decides(self, where: str, expression: str, records: list[CheckRecord], *, is_hollow: bool) -> bool:
        """Whether a step is needed. Raises Diverged when that cannot be told: a step is never left out by mistake.

        In a hollow run what cannot be told is no: outputs are missing there, and that must not count as a false check.
        """
        try:
            value = self._evaluator.evaluate(expression, self._bindings({}))
            if isinstance(value, bool):
                records.append(CheckRecord(kind="when", expression=expression, holds=value))
                return value
            detail = _("it is {value}, which is neither true nor false").format(value=self._show(value))
        except CheckError as error:
            detail = error.message
        records.append(CheckRecord(kind="when", expression=expression, holds=False, detail=self.mask.text(detail)))
        if is_hollow:
            return False
        raise check_failed(where, records[-1])

    def hold(
        self, kind: Kind, where: str, expressions: Iterable[str], result: Mapping[str, Any], records: list[CheckRecord]
    ) -> None:
        """Check one after the other. Raises Diverged at the first that does not hold."""
        for expression in expressions:
            self._clock.check()
            record = self.check(kind, expression, result)
            records.append(record)
            if not record.holds:
                raise check_failed(where, record)

    def is_true(self, expression: str) -> bool:
        """For waiting: what cannot be evaluated yet is not true yet. Raises CheckError when it never can be."""
        try:
            return self._evaluator.evaluate(expression, self._bindings({})) is True
        except CheckError as error:
            if error.code != "check_failed":
                raise
            return False

    def value(self, kind: Kind, name: str, expression: str, result: Mapping[str, Any]) -> Any:
        """A value as JSON for the report and for later steps. Raises Diverged."""
        try:
            value = plain(self._evaluator.evaluate(expression, self._bindings(result)))
            check_size(name, value)
        except KeikenError as error:
            message = _("The {kind} '{name}' cannot be told: {why}").format(
                kind=_("output") if kind == "output" else _("result"), name=name, why=error.message
            )
            raise Diverged(error.code, message, error.advice) from error
        return value

    def value_or_null(self, expression: str, result: Mapping[str, Any]) -> Any:
        try:
            return plain(self._evaluator.evaluate(expression, self._bindings(result)))
        except CheckError:
            return None

    def keep(self, step: Step, outputs: Mapping[str, Any]) -> None:
        self._outputs[step.id] = {"outputs": dict(outputs)}

    def filler(self, step_id: str) -> Fill:
        """Puts values into a step's ``${{ }}``. Raises Failed, naming the step."""

        def fill_one(text: str) -> str:
            try:
                return fill(text, lambda e: self._evaluator.evaluate(e, self._bindings({})), self._secrets)
            except (CheckError, Failed) as error:
                message = _("{where}: {why}").format(where=step_id, why=error.message)
                code = "value_not_usable" if error.code == "check_failed" else error.code
                raise Failed(code, message, error.advice) from error

        return fill_one

    def _bindings(self, result: Mapping[str, Any]) -> dict[str, Any]:
        return {"result": dict(result), "parameters": self._parameters, "steps": self._outputs, "facts": self._facts}

    def _show(self, value: Any) -> str:
        """Masked before it is cut, so that no half of a secret is left at the end."""
        return cut(self.mask.text(unlimited(self.mask.value(value))))


def mentions(expressions: Iterable[str], field: str) -> bool:
    """Whether one of the checks looks at a field of the result: ``result.error`` or ``result['error']``.

    A text that only happens to be the same, as in ``contains('error')``, must not take an implied check away.
    """
    return any(_looks_at(tokens(expression), field) for expression in expressions)


def _looks_at(parts: Sequence[Token], field: str) -> bool:
    for index, part in enumerate(parts):
        if part.kind != "name" or part.text != "result" or (index > 0 and parts[index - 1].is_operator(".")):
            continue
        following = [token.text for token in parts[index + 1 : index + 4]]
        if following[:2] == [".", field] or following in (["[", f"'{field}'", "]"], ["[", f'"{field}"', "]"]):
            return True
    return False


def check_failed(where: str, check: CheckRecord) -> Diverged:
    message = _("In {where} this does not hold: {check}").format(where=where, check=check.expression)
    detail = f" ({check.detail})" if check.detail and check.detail != check.expression else ""
    return Diverged(_CODES.get(check.kind, "check_failed"), f"{message}{detail}", _("Nothing later was carried out."))

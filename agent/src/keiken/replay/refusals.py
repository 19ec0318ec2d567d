"""Everything that can speak against a replay before anything is touched, not even a sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keiken.checks import CheckError, Evaluator, references
from keiken.checks.language import STATE_FUNCTIONS
from keiken.checks.tokens import tokens
from keiken.conditions import match, parse
from keiken.errors import Failed, Refused
from keiken.i18n import _
from keiken.package.manifest import Step
from keiken.replay import parameters, template
from keiken.replay.permissions import Allowance
from keiken.replay.report import ConditionRecord, Report
from keiken.replay.request import Replay

_KNOWN_BEFORE = {"parameters", "facts"}


def check_conditions(job: Replay, report: Report) -> None:
    """Raises Refused ``condition_unmet`` naming every condition that does not hold, with the fact found."""
    findings = match(parse(job.package.manifest.conditions), job.facts).findings
    report.conditions = [
        ConditionRecord(condition=finding.condition.text(), status=finding.status, found=finding.found)
        for finding in findings
    ]
    unmet = [record for record in report.conditions if record.status != "holds"]
    if not unmet:
        return
    named = "; ".join(
        _("{condition} (found: {found})").format(condition=record.condition, found=_found(record)) for record in unmet
    )
    raise Refused(
        "condition_unmet",
        _("It is not known to work here: {conditions}.").format(conditions=named),
        _("Replay it where its conditions hold, or look for one that fits with 'keiken search --fits'."),
        {"conditions": [record.condition for record in unmet]},
    )


def _found(record: ConditionRecord) -> str:
    if record.status == "unknown":
        return _("unknown")
    return _("nothing") if record.found is None else str(record.found)


def complete_inputs(job: Replay) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters and secrets. Raises Refused."""
    source = job.scenario or job
    values = parameters.complete(job.package.manifest, source.parameters)
    return values, parameters.check_secrets(job.package.manifest, source.secrets)


def check_permissions(job: Replay, allowance: Allowance) -> None:
    """What a step says it does must be permitted before the first one runs. Raises Refused ``permission_missing``."""
    manifest = job.package.manifest
    for step in [*manifest.steps, *manifest.undo]:
        if problem := allowance.problem_with(step):
            raise Refused(problem.code, problem.message, problem.advice)


def check_values(job: Replay, evaluator: Evaluator, values: Mapping[str, Any]) -> None:
    """Values that are known already must fit where they go. Raises Refused ``parameter_invalid``.

    Steps with ``when`` are left out: they may well be skipped for these very values.
    """
    bindings = {"parameters": dict(values), "facts": dict(job.facts)}
    for step in [step for step in job.package.manifest.steps if step.when is None]:
        try:
            for text in _texts(step):
                _fill_known(text, evaluator, bindings)
            _check_words(step, evaluator, bindings)
        except Failed as error:
            message = _("Step '{step}' cannot use a parameter: {why}").format(step=step.id, why=error.message)
            raise Refused("parameter_invalid", message, error.advice) from error


def _check_words(step: Step, evaluator: Evaluator, bindings: Mapping[str, Any]) -> None:
    words = step.run or []
    for index, word in enumerate(words):
        value = _fill_known(word, evaluator, bindings)
        if value is not None:
            template.refuse_option(words, index, value)


def _fill_known(text: str, evaluator: Evaluator, bindings: Mapping[str, Any]) -> str | None:
    """The text with its values; None where one is not known yet, or cannot be evaluated before the steps."""
    if not all(is_known_before(expression) for expression in template.expressions(text)):
        return None
    try:
        return template.fill(text, lambda expression: evaluator.evaluate(expression, bindings), {})
    except CheckError:
        return None


def is_known_before(expression: str) -> bool:
    """Whether parameters and facts alone make the value."""
    if template.SECRET.match(expression):
        return False
    calls_state = any(token.kind == "name" and token.text in STATE_FUNCTIONS for token in tokens(expression))
    return not calls_state and {path[0] for path in references(expression)} <= _KNOWN_BEFORE


def _texts(step: Step) -> Iterator[str]:
    """Every text of a step that may hold ``${{ }}``."""
    yield from _strings(step.model_dump(include={"run", "env", "stdin", "http", "file", "ask"}, exclude_none=True))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)

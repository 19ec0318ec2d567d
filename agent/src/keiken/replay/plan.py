"""What a replay would do, in the order in which it would do it: shown before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keiken.checks import CheckError, Evaluator
from keiken.errors import Failed
from keiken.package import Package
from keiken.replay import parameters as parameters_module
from keiken.replay.actions import ACTIONS
from keiken.replay.refusals import is_known_before
from keiken.replay.reporting import printable
from keiken.replay.state import LaterState
from keiken.replay.template import PATTERN, as_word


def plan(
    package: Package, parameters: Mapping[str, Any] | None, facts: Mapping[str, Any], *, undo: bool = False
) -> list[dict[str, str]]:
    """``id``, ``title``, ``action``, ``command`` and ``when`` of every step, or of every undo step.

    What only a replay can know stays ``${{ }}``; with ``parameters`` None, nothing is filled in.
    Raises Refused when the parameters are not as they must be.
    """
    values = None if parameters is None else parameters_module.complete(package.manifest, parameters)
    bindings = {"parameters": values or {}, "facts": dict(facts)}
    with Evaluator(LaterState()) as evaluator:

        def fill(text: str) -> str:
            if values is None:
                return text
            return PATTERN.sub(lambda found: _known(evaluator, found.group(1).strip(), found.group(), bindings), text)

        return [
            {
                "id": step.id,
                "title": step.title or "",
                "action": step.action,
                "command": printable(ACTIONS[step.action].describe(step, fill)),
                "when": step.when or "",
            }
            for step in (package.manifest.undo if undo else package.manifest.steps)
        ]


def _known(evaluator: Evaluator, expression: str, original: str, bindings: Mapping[str, Any]) -> str:
    if not is_known_before(expression):
        return original
    try:
        return as_word(evaluator.evaluate(expression, bindings), expression)
    except (CheckError, Failed):
        return original

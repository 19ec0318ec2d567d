"""What a replay would do, in the order in which it would do it: shown before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keiken.checks import Evaluator
from keiken.package import Package
from keiken.replay import parameters as parameters_module
from keiken.replay.actions import ACTIONS
from keiken.replay.template import PATTERN


class _NoState:
    """A plan looks at nothing."""

    def file(self, path: str) -> dict[str, Any]:
        raise ValueError(f"{path} is only known while it runs")

    def files(self, pattern: str) -> list[str]:
        raise ValueError(f"{pattern} is only known while it runs")

    def port(self, number: int) -> dict[str, Any]:
        raise ValueError(f"port {number} is only known while it runs")


def plan(package: Package, parameters: Mapping[str, Any], facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """``id``, ``title``, ``action`` and ``command`` of every step; what only a replay can know stays ``${{ }}``.

    Raises Refused when the parameters are not as they must be.
    """
    values = parameters_module.complete(package.manifest, parameters)
    bindings = {"parameters": values, "facts": dict(facts), "result": {}, "steps": {}}
    with Evaluator(_NoState()) as evaluator:

        def fill(text: str) -> str:
            return PATTERN.sub(lambda found: _known(evaluator, found.group(1).strip(), found.group(), bindings), text)

        return [
            {
                "id": step.id,
                "title": step.title or "",
                "action": step.action,
                "command": ACTIONS[step.action].describe(step, fill),
            }
            for step in package.manifest.steps
        ]


def _known(evaluator: Evaluator, expression: str, original: str, bindings: Mapping[str, Any]) -> str:
    if not expression.startswith(("parameters.", "facts")):
        return original
    return str(evaluator.evaluate(expression, bindings))

"""From the verdicts of scenarios to the verdict of a verification, and from verifications to a badge."""

from __future__ import annotations

from collections.abc import Iterable

WORST_FIRST = (
    "error",
    "policy_violation",
    "invalid_package",
    "limit_exceeded",
    "failed",
    "flaky",
    "vacuous",
    "inconclusive",
    "precondition_unmet",
    "passed",
)
CONCLUSIVE = ("passed", "failed", "flaky", "vacuous", "limit_exceeded", "policy_violation", "invalid_package")


def overall(verdicts: Iterable[str]) -> str:
    """The worst one decides; no scenario at all proves nothing."""
    found = set(verdicts)
    return next((verdict for verdict in WORST_FIRST if verdict in found), "inconclusive")


def with_history(verdict: str, previous: str | None) -> str:
    """``flaky`` when the same version in the same environment both passes and fails."""
    if previous is None or {verdict, previous} != {"passed", "failed"}:
        return verdict
    return "flaky"

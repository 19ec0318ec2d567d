"""From the verdicts of runs to that of a scenario, of a verification, and to the badge of a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["verified", "failing", "pending", "unverified"]

WORST_FIRST = (
    "error",
    "invalid_package",
    "policy_violation",
    "limit_exceeded",
    "failed",
    "flaky",
    "vacuous",
    "inconclusive",
    "precondition_unmet",
    "passed",
)
"""The table: of several verdicts the first one found here decides."""
NEUTRAL = frozenset({"precondition_unmet", "inconclusive"})
"""They speak neither for nor against a version: a badge is decided by its other environments."""
REPEATED = frozenset({"failed", "limit_exceeded"})
"""What a second, identical run is asked about before it is believed."""


def overall(verdicts: Iterable[str]) -> str:
    """The worst one decides; no scenario at all proves nothing."""
    found = set(verdicts)
    return next((verdict for verdict in WORST_FIRST if verdict in found), "inconclusive")


def disagree(one: str, other: str) -> bool:
    """Whether two identical runs contradict each other: one passed and the other did not."""
    return {one, other} in ({"passed", "failed"}, {"passed", "limit_exceeded"})


def with_history(now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """The verdict of a verification, given what the one before saw of the same scenarios in the same environment.

    Both map scenarios to verdicts. ``flaky`` where they contradict each other and nothing worse was seen.
    """
    verdict = overall(now.values())
    contradicts = any(disagree(seen, before[scenario]) for scenario, seen in now.items() if scenario in before)
    if contradicts and verdict in ("passed", "precondition_unmet", "inconclusive", *REPEATED):
        return "flaky"
    return verdict


@dataclass(frozen=True, slots=True)
class Concluded:
    """The last verdict in one environment."""

    verdict: str
    finished_at: datetime
    is_signed: bool


def proven_since(concluded: Iterable[Concluded]) -> tuple[bool, datetime | None]:
    """Whether some last verdict speaks against a version; else since when all that decide are signed passes."""
    deciding = [row for row in concluded if row.verdict not in NEUTRAL]
    if any(row.verdict != "passed" for row in deciding):
        return True, None
    if not deciding or not all(row.is_signed for row in deciding):
        return False, None
    return False, min(row.finished_at for row in deciding)


def badge(concluded: Sequence[Concluded], *, oldest: datetime, is_waiting: bool) -> Status:
    """What a version is shown as. ``oldest`` is when a passing attestation has aged; ``is_waiting``: a proof is due."""
    is_doubted, proven_at = proven_since(concluded)
    if is_doubted:
        return "failing"
    if proven_at is not None and proven_at > oldest:
        return "verified"
    # A fresh pass that is not signed yet will be in a moment.
    fresh = [row for row in concluded if row.verdict not in NEUTRAL and row.finished_at > oldest]
    return "pending" if is_waiting or any(not row.is_signed for row in fresh) else "unverified"

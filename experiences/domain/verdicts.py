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
    valid_until: datetime
    is_signed: bool


@dataclass(frozen=True)
class Standing:
    """What the last verdicts say together. The times are None unless all that decide are signed passes."""

    is_doubted: bool = False
    proven_at: datetime | None = None
    """Of the oldest of them."""
    proven_until: datetime | None = None
    """When the first of them counts no longer."""


def standing_of(concluded: Iterable[Concluded]) -> Standing:
    """What speaks against a version outweighs everything, however old it is."""
    deciding = [row for row in concluded if row.verdict not in NEUTRAL]
    if any(row.verdict != "passed" for row in deciding):
        return Standing(is_doubted=True)
    if not deciding or not all(row.is_signed for row in deciding):
        return Standing()
    return Standing(
        proven_at=min(row.finished_at for row in deciding), proven_until=min(row.valid_until for row in deciding)
    )


def badge(concluded: Sequence[Concluded], *, now: datetime, is_waiting: bool) -> Status:
    """What a version is shown as now. ``is_waiting``: a proof is due."""
    standing = standing_of(concluded)
    if standing.is_doubted:
        return "failing"
    if standing.proven_until is not None and standing.proven_until > now:
        return "verified"
    # A fresh pass that is not signed yet will be in a moment.
    fresh = [row for row in concluded if row.verdict not in NEUTRAL and row.valid_until > now]
    return "pending" if is_waiting or any(not row.is_signed for row in fresh) else "unverified"

"""How good an experience is: a number from 0 to 1, made of parts that anybody can check. docs/quality.md tells why.

Pure: evidence in, number and explanation out. Nothing counts by how often it was said, only by how many parties that
have nothing to do with each other or with the publisher say it, and all that have paid nobody count together as few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from keiken.strength.interval import wilson

FORMULA = 1
"""Stored with every score: another number, another formula."""
Name = Literal["verification", "field", "ratings", "maintenance", "savings"]
WEIGHTS: Mapping[Name, float] = {
    "verification": 0.40,
    "field": 0.25,
    "ratings": 0.20,
    "maintenance": 0.10,
    "savings": 0.05,
}
UNBACKED_LIMIT = 3.0
"""So many parties all those together count as that have never paid for a license: new organizations cost nothing."""
PARTY_USES = 20
"""The newest reports of a party that are looked at."""
PRIOR_STARS, PRIOR_WEIGHT = 3.0, 5.0
"""Ratings start as if five parties had said neither good nor bad."""
OLD_LINE_WEIGHT = 0.5
"""Of a rating for an earlier major version."""
TROUBLES = 5
RESPONSE_HALF_LIFE_DAYS = 14.0
SAVED_TOKENS_HALF, SAVED_STEPS_HALF = 10_000, 10
"""What earns half of the part for savings."""
SAVINGS_PRIOR_WEIGHT = 3.0
ENVIRONMENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Proof:
    """The last verdict in one environment of the latest version; ``is_pass`` only when it passed and is signed."""

    environment: str
    is_pass: bool
    age_days: float


@dataclass(frozen=True, slots=True)
class Use:
    """One replay in the field that reached a step; savings as its reporter told them."""

    party: int
    is_backed: bool
    environment: str
    succeeded: bool
    saved_steps: int | None = None
    saved_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One rating; ``is_current`` when it is about the latest major version."""

    party: int
    is_backed: bool
    stars: int
    is_current: bool = True


@dataclass(frozen=True, slots=True)
class Trouble:
    """From a verdict against the latest version of its time to the next pass, or until now."""

    days: float
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a score is made of. ``uses`` newest first; nothing of the publisher's own party is in it."""

    proofs: Sequence[Proof] = ()
    verdicts: int = 0
    """Of the latest version that speak for or against it, at most thirty."""
    flaky: int = 0
    mutants: int = 0
    caught: int = 0
    policy_days: float = 30.0
    """How long a proof counts."""
    uses: Sequence[Use] = ()
    votes: Sequence[Vote] = ()
    troubles: Sequence[Trouble] = ()
    """The newest ones."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part: ``value`` from 0 to 1, and ``evidence`` in numbers, ready for JSON."""

    name: Name
    value: float
    weight: float
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quality:
    value: float
    components: tuple[Component, ...]


def score(evidence: Evidence) -> Quality:
    """The weighted sum of the five parts. The same evidence always gives the same score."""
    found = (_verification(evidence), _field(evidence), _ratings(evidence), _maintenance(evidence), _savings(evidence))
    return Quality(_rounded(sum(item.value * item.weight for item in found)), found)


def _component(name: Name, value: float, evidence: dict[str, Any]) -> Component:
    return Component(name, _rounded(value), WEIGHTS[name], evidence)


def _rounded(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4)


def _verification(evidence: Evidence) -> Component:
    """Share of environments that pass now × steadiness × strength of the checks. A pass loses half while it ages."""
    worth = [
        1 - proof.age_days / evidence.policy_days / 2
        for proof in evidence.proofs
        if proof.is_pass and proof.age_days < evidence.policy_days
    ]
    coverage = sum(worth) / len(evidence.proofs) if evidence.proofs else 0.0
    steadiness = 1 - evidence.flaky / evidence.verdicts if evidence.verdicts else 1.0
    lower, upper = wilson(evidence.caught, evidence.mutants)
    strength = (1 + lower) / 2
    return _component(
        "verification",
        coverage * steadiness * strength,
        {
            "environments": len(evidence.proofs),
            "passing": len(worth),
            "coverage": _rounded(coverage),
            "verdicts": evidence.verdicts,
            "flaky": evidence.flaky,
            "mutants": evidence.mutants,
            "caught": evidence.caught,
            "strength_interval": [_rounded(lower), _rounded(upper)],
        },
    )


@dataclass(frozen=True, slots=True)
class _Party:
    """What one party says: a share or a mean, and how much it counts."""

    is_backed: bool
    value: float
    weight: float


def _weighed(parties: Iterable[_Party]) -> tuple[float, float]:
    """(sum of weight × value, sum of weights), those that have paid nobody cut down to their common limit."""
    backed_sum = backed_weight = other_sum = other_weight = 0.0
    for party in parties:
        if party.is_backed:
            backed_sum += party.weight * party.value
            backed_weight += party.weight
        else:
            other_sum += party.weight * party.value
            other_weight += party.weight
    factor = min(1.0, UNBACKED_LIMIT / other_weight) if other_weight else 0.0
    return backed_sum + factor * other_sum, backed_weight + factor * other_weight


def _by_party(uses: Iterable[Use]) -> dict[int, list[Use]]:
    found: dict[int, list[Use]] = defaultdict(list)
    for use in uses:
        if len(found[use.party]) < PARTY_USES:
            found[use.party].append(use)
    return found


def _is_backed(rows: Iterable[Use | Vote]) -> bool:
    return any(row.is_backed for row in rows)


def _success(uses: Iterable[Use]) -> tuple[float, float, int]:
    """(successes, trials, parties): each party one trial at most, less while it has tried it only a few times."""
    parties = [
        _Party(_is_backed(rows), sum(row.succeeded for row in rows) / len(rows), len(rows) / (len(rows) + 1))
        for rows in _by_party(uses).values()
    ]
    successes, trials = _weighed(parties)
    return min(successes, trials), trials, len(parties)


def _field(evidence: Evidence) -> Component:
    """The lower end of the 95 % interval of success, over parties and not over reports."""
    successes, trials, parties = _success(evidence.uses)
    lower, upper = wilson(successes, trials)
    places: dict[str, list[Use]] = defaultdict(list)
    for use in evidence.uses:
        places[use.environment].append(use)
    return _component(
        "field",
        lower,
        {
            "parties": parties,
            "trials": round(trials, 2),
            "share": _rounded(successes / trials) if trials else None,
            "interval": [_rounded(lower), _rounded(upper)],
            "environments": sorted(
                (_place(name, uses) for name, uses in places.items()), key=lambda item: (-item["parties"], item["name"])
            )[:ENVIRONMENTS_SHOWN],
        },
    )


def _place(name: str, uses: Sequence[Use]) -> dict[str, Any]:
    successes, trials, parties = _success(uses)
    lower, upper = wilson(successes, trials)
    share = _rounded(successes / trials)
    return {"name": name, "parties": parties, "share": share, "interval": [_rounded(lower), _rounded(upper)]}


def _ratings(evidence: Evidence) -> Component:
    """A Bayesian mean of one vote for each party, stretched from 1…5 stars to 0…1."""
    votes: dict[int, list[Vote]] = defaultdict(list)
    for vote in evidence.votes:
        votes[vote.party].append(vote)
    parties = [
        _Party(
            _is_backed(rows),
            sum(row.stars for row in rows) / len(rows),
            1.0 if any(row.is_current for row in rows) else OLD_LINE_WEIGHT,
        )
        for rows in votes.values()
    ]
    stars, weight = _weighed(parties)
    mean = (PRIOR_STARS * PRIOR_WEIGHT + stars) / (PRIOR_WEIGHT + weight)
    return _component(
        "ratings", (mean - 1) / 4, {"parties": len(parties), "weight": round(weight, 2), "mean": round(mean, 2)}
    )


def _maintenance(evidence: Evidence) -> Component:
    """How soon a pass followed when a proof had failed. What passes nowhere now earns nothing."""
    troubles = evidence.troubles[:TROUBLES]
    credit = [0.5 ** (trouble.days / RESPONSE_HALF_LIFE_DAYS) for trouble in troubles]
    passes = any(proof.is_pass for proof in evidence.proofs)
    value = (1 + sum(credit)) / (1 + len(credit)) if passes else 0.0
    return _component(
        "maintenance",
        value,
        {
            "troubles": len(troubles),
            "open": sum(not trouble.is_over for trouble in troubles),
            "median_days": round(median(trouble.days for trouble in troubles), 1) if troubles else None,
        },
    )


def _savings(evidence: Evidence) -> Component:
    """What replays save instead of finding the way again, as reported; it starts from nothing."""
    parties, steps, tokens = [], [], []
    for rows in _by_party(evidence.uses).values():
        told_steps = [row.saved_steps for row in rows if row.succeeded and row.saved_steps is not None]
        told_tokens = [row.saved_tokens for row in rows if row.succeeded and row.saved_tokens is not None]
        if not told_steps and not told_tokens:
            continue
        earned = 0.0
        if told_steps:
            steps.append(median(told_steps))
            earned = steps[-1] / (steps[-1] + SAVED_STEPS_HALF)
        if told_tokens:
            tokens.append(median(told_tokens))
            earned = max(earned, tokens[-1] / (tokens[-1] + SAVED_TOKENS_HALF))
        parties.append(_Party(_is_backed(rows), earned, 1.0))
    total, weight = _weighed(parties)
    return _component(
        "savings",
        total / (weight + SAVINGS_PRIOR_WEIGHT),
        {
            "parties": len(parties),
            "median_steps": median(steps) if steps else None,
            "median_tokens": median(tokens) if tokens else None,
        },
    )

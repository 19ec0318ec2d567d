"""The formula of quality: what each part is worth, and how far anybody can move it. docs/quality.md states the bounds."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keiken.strength.interval import wilson
from marketplace.domain.quality import (
    PARTY_USES,
    UNBACKED_LIMIT,
    WEIGHTS,
    Evidence,
    Proof,
    Quality,
    Trouble,
    Use,
    Vote,
    score,
)

DOCS = Path(__file__).parents[2] / "docs/quality.md"
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def bound(name: str) -> float:
    """As docs/quality.md states it, in points of 100: `| name | 12.3 |`."""
    found = re.search(rf"^\| {re.escape(name)} \|[^|]*\| \*\*([0-9.]+)\*\* \|$", DOCS.read_text(), re.MULTILINE)
    assert found, name
    return float(found[1]) / 100


def part(quality: Quality, name: str) -> float:
    return next(item.value for item in quality.components if item.name == name)


def uses(party: int, *, good: int = 0, bad: int = 0, is_backed: bool = True, **told: int) -> list[Use]:
    one = {"party": party, "is_backed": is_backed, "environment": "debian 12", **told}
    return [Use(succeeded=True, **one) for _ in range(good)] + [Use(succeeded=False, **one) for _ in range(bad)]  # type: ignore[arg-type]


def puppets(count: int, *, stars: int, is_backed: bool = False, **told: int) -> tuple[list[Use], list[Vote]]:
    """So many new organizations with an owner each, all of one mind, each as loud as it can be."""
    parties = range(10_000, 10_000 + count)
    is_praise = stars > 3
    said = [
        use
        for party in parties
        for use in uses(party, good=50 if is_praise else 0, bad=0 if is_praise else 50, is_backed=is_backed, **told)
    ]
    return said, [Vote(party, is_backed, stars) for party in parties]


PRAISE = {"saved_steps": 1_000_000, "saved_tokens": 10_000_000_000}


def test_nothing_known_is_worth_only_the_neutral_rating() -> None:
    found = score(Evidence())
    assert {item.name: item.value for item in found.components} == {
        "verification": 0.0,
        "field": 0.0,
        "ratings": 0.5,
        "maintenance": 0.0,
        "savings": 0.0,
    }
    assert found.value == 0.1


def test_the_weights_add_up_to_one_and_the_value_is_their_sum() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
    found = score(Evidence(proofs=[Proof("debian-12", True, 3)], uses=uses(1, good=3), votes=[Vote(1, True, 5)]))
    assert found.value == pytest.approx(sum(item.value * item.weight for item in found.components), abs=1e-4)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({}, 0.5),
        ({"mutants": 24, "caught": 24}, round((1 + wilson(24, 24)[0]) / 2, 4)),
        ({"proofs": [Proof("a", True, 15.0)]}, 0.375),
        ({"proofs": [Proof("a", True, 30.0)]}, 0.0),
        ({"proofs": [Proof("a", True, 0.0), Proof("b", False, 0.0)]}, 0.25),
        ({"verdicts": 4, "flaky": 1}, 0.375),
    ],
)
def test_proofs_are_worth_their_coverage_their_age_their_steadiness_and_their_checks(
    change: dict[str, object], value: float
) -> None:
    evidence = {"proofs": [Proof("a", True, 0.0)], **change}
    assert part(score(Evidence(**evidence)), "verification") == pytest.approx(value, abs=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("troubles", "value"),
    [
        ([], 1.0),
        ([Trouble(14.0, True)], 0.75),
        ([Trouble(1e6, False)], 0.5),
        ([Trouble(1e6, False)] * 50, round(1 / 6, 4)),
    ],
)
def test_care_is_how_soon_a_failed_proof_passes_again(troubles: list[Trouble], value: float) -> None:
    evidence = Evidence(proofs=[Proof("a", True, 0.0)], troubles=troubles)
    assert part(score(evidence), "maintenance") == pytest.approx(value, abs=1e-4)


def test_savings_take_the_better_of_steps_and_tokens_and_start_from_nothing() -> None:
    told = [*uses(1, good=3, saved_steps=10), *uses(2, good=1, saved_tokens=30_000)]
    assert part(score(Evidence(uses=told)), "savings") == pytest.approx((0.5 + 0.75) / 5, abs=1e-4)
    assert part(score(Evidence(uses=uses(1, bad=3, saved_steps=10))), "savings") == 0.0


def test_each_environment_has_its_own_interval() -> None:
    said = uses(1, good=1) + [Use(2, True, "ubuntu 24.04", False)]
    [field] = [item for item in score(Evidence(uses=said)).components if item.name == "field"]
    assert field.evidence["environments"] == [
        {"name": "debian 12", "parties": 1, "share": 1.0, "interval": [round(wilson(0.5, 0.5)[0], 4), 1.0]},
        {"name": "ubuntu 24.04", "parties": 1, "share": 0.0, "interval": [0.0, round(wilson(0, 0.5)[1], 4)]},
    ]


def test_a_thousand_reports_of_one_organization_count_like_twenty() -> None:
    assert score(Evidence(uses=uses(1, good=1000))) == score(Evidence(uses=uses(1, good=PARTY_USES)))
    assert part(score(Evidence(uses=uses(1, good=1000))), "field") < wilson(1, 1)[0]


# --- attacks: from what honest parties have said to what is left of it

HONEST = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5), st.integers(1, 5), st.integers(0, 40)), max_size=25
)


def honest(said: list[tuple[bool, int, int, int, int]]) -> tuple[list[Use], list[Vote]]:
    told: list[Use] = []
    votes = []
    for party, (is_backed, good, bad, stars, saved) in enumerate(said, start=1):
        told += uses(party, good=good, bad=bad, is_backed=is_backed, saved_steps=saved)
        votes.append(Vote(party, is_backed, stars))
    return told, votes


@unhurried
@given(HONEST, st.integers(0, 60), st.sampled_from([1, 5]))
def test_sock_puppets_that_have_paid_nobody_move_it_at_most_by_the_bound(
    said: list[tuple[bool, int, int, int, int]], count: int, stars: int
) -> None:
    told, votes = honest(said)
    more, voices = puppets(count, stars=stars, **(PRAISE if stars == 5 else {}))
    before, after = score(Evidence(uses=told, votes=votes)), score(Evidence(uses=more + told, votes=voices + votes))
    assert abs(after.value - before.value) <= bound("any number of organizations that have paid nobody")


@unhurried
@given(HONEST, st.integers(1, 5), st.integers(0, 60), st.integers(0, 60))
def test_one_party_moves_it_at_most_by_the_bound(
    said: list[tuple[bool, int, int, int, int]], stars: int, good: int, bad: int
) -> None:
    told, votes = honest(said)
    more = uses(0, good=good, bad=bad, **PRAISE)
    before, after = (
        score(Evidence(uses=told, votes=votes)),
        score(Evidence(uses=more + told, votes=[Vote(0, True, stars), *votes])),
    )
    assert abs(after.value - before.value) <= bound("one party, however many organizations and reports it has")


@unhurried
@given(HONEST, st.integers(1, 60))
def test_a_false_alarm_moves_only_the_field(said: list[tuple[bool, int, int, int, int]], bad: int) -> None:
    told, votes = honest(said)
    before, after = score(Evidence(uses=told, votes=votes)), score(Evidence(uses=uses(0, bad=bad) + told, votes=votes))
    assert (
        0
        <= before.value - after.value
        <= bound("a false alarm by one party: replays that diverged in its reports only")
    )


@pytest.mark.parametrize("honest_parties", [0, 1, 2, 3, 5, 10, 30])
def test_ten_puppets_that_paid_move_it_at_most_by_the_bound(honest_parties: int) -> None:
    for stars, honest_stars in ((5, 1), (1, 5)):
        told, votes = puppets(10, stars=stars, is_backed=True, **(PRAISE if stars == 5 else {}))
        good, bad = (1, 0) if honest_stars > 3 else (0, 1)
        there = [use for party in range(honest_parties) for use in uses(party, good=good * 20, bad=bad * 20)]
        voices = [Vote(party, True, honest_stars) for party in range(honest_parties)]
        before = score(Evidence(uses=there, votes=voices))
        after = score(Evidence(uses=told + there, votes=votes + voices))
        assert abs(after.value - before.value) <= bound("ten organizations that have paid somebody")


def test_a_rating_bomb_on_a_well_rated_experience_costs_little() -> None:
    votes = [Vote(party, True, 5) for party in range(20)]
    _uses, bomb = puppets(10_000, stars=1)
    before, after = score(Evidence(votes=votes)), score(Evidence(votes=votes + bomb))
    assert (part(before, "ratings"), part(after, "ratings")) == (0.9, 0.8036)
    assert before.value - after.value <= bound("a rating bomb on twenty good ratings that are backed")


def test_however_many_there_are_they_count_together_as_three() -> None:
    few, many = (puppets(count, stars=5)[1] for count in (3, 3000))
    assert part(score(Evidence(votes=few)), "ratings") == part(score(Evidence(votes=many)), "ratings")
    [ratings] = [item for item in score(Evidence(votes=many)).components if item.name == "ratings"]
    assert (ratings.evidence["parties"], ratings.evidence["weight"]) == (3000, UNBACKED_LIMIT)


def test_the_order_in_which_parties_speak_does_not_matter() -> None:
    said = [vote for stars in (1, 3, 5) for vote in puppets(7, stars=stars)[1]]
    mixed = random.Random(5).sample(said, len(said))
    assert score(Evidence(votes=said)) == score(Evidence(votes=mixed))


@unhurried
@given(
    HONEST, st.lists(st.tuples(st.booleans(), st.floats(0, 400)), max_size=8), st.integers(0, 24), st.integers(0, 24)
)
def test_every_part_stays_between_nothing_and_all(
    said: list[tuple[bool, int, int, int, int]], proofs: list[tuple[bool, float]], caught: int, missed: int
) -> None:
    told, votes = honest(said)
    evidence = Evidence(
        proofs=[Proof(str(number), is_pass, age) for number, (is_pass, age) in enumerate(proofs)],
        caught=caught,
        mutants=caught + missed,
        uses=told,
        votes=votes,
        troubles=[Trouble(age, is_pass) for is_pass, age in proofs],
    )
    found = score(evidence)
    assert all(0 <= item.value <= 1 for item in found.components)
    assert 0 <= found.value <= 1

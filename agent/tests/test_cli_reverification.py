"""``keiken reverification``: showing and asking when experiences are proven again."""

from __future__ import annotations

from collections.abc import Iterator

import marketplaces
import pytest
from commands import keiken, keiken_json
from marketplaces import KEY, Marketplace


@pytest.fixture
def market() -> Iterator[Marketplace]:
    with marketplaces.running() as made:
        assert keiken_json("login", "--server", made.url, KEIKEN_API_KEY=KEY).exit_code == 0
        yield made


def test_it_shows_what_applies_and_what_was_asked_for(market: Marketplace) -> None:
    market.policies = [{"topic": "tls", "max_age_days": 7, "on_new_environment": True}]
    shown = keiken("reverification")
    assert shown.exit_code == 0
    rows = [line.replace("│", " ").split() for line in shown.stdout.splitlines()]
    assert ["everything", "here", "30", "d", "2", "yes", "–", "every", "10", "min"] in rows
    assert ["tls", "7", "d", "–", "–", "yes", "–"] in rows


def test_what_is_asked_for_is_sent_and_nothing_else(market: Marketplace) -> None:
    ran = keiken_json("reverification", "--topic", "tls", "--max-age-days", "7", "--on-environment-change")
    assert ran.exit_code == 0
    assert market.policies == [{"topic": "tls", "max_age_days": 7, "on_environment_change": True}]
    assert ran.document["policies"][0]["max_age_days"] == 7
    assert keiken_json("reverification", "--topic", "tls", "--clear").exit_code == 0
    assert market.policies == []


def test_clearing_and_asking_are_two_things(market: Marketplace) -> None:
    ran = keiken_json("reverification", "--clear", "--max-age-days", "7")
    assert (ran.exit_code, ran.code) == (1, "reverification_one_thing")
    assert [request for request in market.requests if request.path.endswith("reverification")] == []

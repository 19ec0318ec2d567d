"""Every attack, in every sandbox there is: it came to nothing inside, it works where nothing confines it, and nothing
of it is left.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from keiken.sandbox.protocol import Driver
from tests.sandbox_escapes import package, pens
from tests.sandbox_escapes.attack import Attack, Place
from tests.sandbox_escapes.attacks import ATTACKS
from tests.sandbox_escapes.traces import Before


def _place(folder: Path, driver: Driver | None = None) -> Place:
    return Place(folder=folder, driver=driver, marker=f"escape-{secrets.token_hex(10)}")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_comes_to_nothing_and_leaves_nothing(attack: Attack, driver: Driver, tmp_path: Path) -> None:
    place = _place(tmp_path, driver)
    before = Before(place.marker)
    with attack.outside(place) as outside:
        verdict, seen = package.attempt(attack, driver, place, outside)
        assert not attack.got_through(seen), f"{attack.name} got through: {seen.text[-2000:]}"
        told = (verdict.verdict, verdict.report.code)
        if attack.verdict is None:
            assert verdict.verdict != "error", verdict.reason
        else:
            assert told == (attack.verdict, attack.code), (verdict.reason, seen.text)
    assert before.left() == []


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_same_attempt_succeeds_where_nothing_confines_it(attack: Attack, tmp_path: Path) -> None:
    place = _place(tmp_path)
    with attack.outside(place) as outside:
        seen = pens.attempt(attack, place, outside)
        assert attack.got_through(seen), f"void: {attack.name} fails without a sandbox too: {seen.text[-2000:]}"

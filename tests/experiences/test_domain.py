"""The pure rules: which version is higher, what a badge says, how words are cut, what can be stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiences.domain.semver import precedence
from experiences.domain.storable import storable
from experiences.domain.verdicts import Concluded, badge
from experiences.domain.words import indexed

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ASCENDING = [
    "0.9.9",
    "1.0.0-1",
    "1.0.0-9",
    "1.0.0-10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.9.0",
    "1.10.0",
    "2.0.0-0",
    "2.0.0",
    "18446744073709551616.0.0",
]


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(ASCENDING)))
def test_versions_are_ordered_as_semver_says(lower: str, higher: str) -> None:
    assert precedence(lower) < precedence(higher)


def test_build_data_does_not_count() -> None:
    assert precedence("1.0.0+a") == precedence("1.0.0+b.2") == precedence("1.0.0")
    assert precedence("1.0.0-rc+a") == precedence("1.0.0-rc")


def row(verdict: str = "passed", *, days: float = 1, is_signed: bool = True) -> Concluded:
    at = NOW - timedelta(days=days)
    return Concluded(verdict, at, at + timedelta(days=30), is_signed)


@pytest.mark.parametrize(
    ("rows", "is_waiting", "expected"),
    [
        ([], True, "pending"),
        ([], False, "unverified"),
        ([row()], False, "verified"),
        ([row()], True, "verified"),
        ([row(), row()], False, "verified"),
        ([row(), row("failed")], False, "failing"),
        ([row("failed")], True, "failing"),
        ([row("flaky")], False, "failing"),
        ([row("vacuous")], False, "failing"),
        ([row("failed", days=99)], False, "failing"),
        ([row(days=31)], False, "unverified"),
        ([row(days=31)], True, "pending"),
        ([row(), row(days=31)], False, "unverified"),
        ([row(is_signed=False)], False, "pending"),
        ([row(days=31, is_signed=False)], False, "unverified"),
        ([row(), row("precondition_unmet")], False, "verified"),
        ([row(), row("inconclusive", days=99)], False, "verified"),
        ([row("precondition_unmet")], False, "unverified"),
        ([row("precondition_unmet")], True, "pending"),
    ],
)
def test_the_badge_says_what_is_proven_now(rows: list[Concluded], is_waiting: bool, expected: str) -> None:
    assert badge(rows, now=NOW, is_waiting=is_waiting) == expected


def test_exactly_as_old_as_allowed_is_too_old() -> None:
    assert badge([row(days=30)], now=NOW, is_waiting=False) == "unverified"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Rotate a key", ["rotate", "a", "key"]),
        ("証明書を更新", ["証明", "明書", "書を", "を更", "更新", "証", "明", "書", "を", "更", "新"]),
        ("鍵 key", ["key", "鍵"]),
        ("ＴＬＳ証明", ["tls", "証明", "証", "明"]),
        ("ｻｰﾊﾞｰ", ["サー", "ーバ", "バー", "サ", "ー", "バ", "ー"]),
        ("한국", ["한국", "한", "국"]),
    ],
)
def test_what_is_indexed(text: str, words: list[str]) -> None:
    assert indexed(text).split() == words


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet=st.characters()), inner),
    max_leaves=20,
)


@given(ANYTHING)
def test_whatever_a_report_holds_becomes_json_that_postgresql_takes(value: Any) -> None:
    text = json.dumps(storable(value), allow_nan=False, ensure_ascii=False)
    assert "\0" not in text
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode("utf-8")


@given(st.dictionaries(st.text("abc"), st.integers() | st.text("xyz é経") | st.none() | st.booleans()))
def test_what_can_be_stored_stays_as_it_is(value: dict[str, Any]) -> None:
    assert storable(value) == value

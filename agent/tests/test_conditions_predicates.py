"""Conditions hold, fail or stay unknown, the same way everywhere, whatever the facts are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keiken.conditions import Condition, fact_problem, match, parse
from keiken.conditions.predicates import CANONICAL_BYTES_LIMIT, OPERATORS
from keiken.errors import PackageError

TABLE: list[tuple[str, Any, Any, str]] = [
    ("os.family", "linux", "linux", "holds"),
    ("os.family", "linux", "Linux", "holds"),
    ("os.family", "linux", "darwin", "fails"),
    ("os.family", "linux", None, "fails"),
    ("os.id", ["debian", "ubuntu"], "ubuntu", "holds"),
    ("os.id", ["debian", "ubuntu"], "fedora", "fails"),
    ("os.like", "debian", ["ubuntu", "debian"], "holds"),
    ("os.like", "debian", [], "fails"),
    ("os.version", 12, "12", "holds"),
    ("os.version", "12", "12.0", "holds"),
    ("os.version", "12", "13", "fails"),
    ("os.version", ">=11,<13", "12", "holds"),
    ("os.version", ">=22.04", "24.04", "holds"),
    ("tool.openssl", ">=1.1.1,<4", "3.0.15-1+deb12u1", "holds"),
    ("tool.openssl", ">=1.1.1,<4", "1.0.2", "fails"),
    ("tool.openssl", ">=1.1.1,<4", "4.0.0", "fails"),
    ("tool.openssl", ">=1.1.1,<4", "4.0.0-rc1", "fails"),
    ("tool.openssl", ">=1.1.1w", "1.1.1w", "holds"),
    ("tool.openssl", ">=1.1.1w", "1.1.1a", "fails"),
    ("tool.openssl", ">=1.1.1", "unknown", "fails"),
    ("tool.openssl", "<4", "unknown", "fails"),
    ("tool.openssl", ">=1.1.1", None, "fails"),
    ("tool.nginx", ">=1.18", "nginx/1.22.1", "holds"),
    ("tool.git", "~=2.30", "git version 2.39.5", "holds"),
    ("tool.git", "==2.39.*", "2.39.5", "holds"),
    ("tool.git", "!=2.39.5", "2.39.5", "fails"),
    ("tool.ssh", ">=9.5", "9.5p1", "holds"),
    ("tool.perl", ["5.36.0", "5.38.2"], "5.36.0", "holds"),
    ("tool.gawk", {"exists": False}, None, "holds"),
    ("tool.gawk", {"exists": False}, "5.1", "fails"),
    ("tool.gawk", {"exists": True}, "unknown", "holds"),
    ("locale.language", {"not": ["tr"]}, "en", "holds"),
    ("locale.language", {"not": ["tr"]}, "tr", "fails"),
    ("locale.language", {"not": ["tr"]}, None, "fails"),
    ("os.like", {"not": ["rhel"]}, ["debian"], "holds"),
    ("os.like", {"not": ["rhel"]}, ["fedora", "rhel"], "fails"),
    ("os.like", {"not": ["rhel"]}, [], "holds"),
    ("host.memory_mib", ">=256", 256, "holds"),
    ("host.memory_mib", ">=256,<=1024", 2048, "fails"),
    ("host.memory_mib", ">=256", "512", "holds"),
    ("host.memory_mib", ">=256", "lots", "fails"),
    ("host.memory_mib", ">=256", True, "fails"),
    ("host.cpus", "==2", 2, "holds"),
    ("host.is_root", True, True, "holds"),
    ("host.is_root", True, 1, "fails"),
    ("host.is_root", False, None, "fails"),
    ("acme.level", ">=3", 3.5, "holds"),
    ("acme.level", ">=3", "3.1.4", "holds"),
    ("acme.level", 3, 3.0, "holds"),
    ("acme.level", "3", 3, "holds"),
    ("acme.region", ["tokyo", "osaka"], {"a": 1}, "fails"),
]


@pytest.mark.parametrize(("key", "value", "fact", "status"), TABLE, ids=lambda part: str(part)[:20])
def test_each_operator_says_what_the_format_says(key: str, value: Any, fact: Any, status: str) -> None:
    (condition,) = parse({key: value})
    assert condition.evaluate({key: fact}) == status
    assert condition.evaluate({}) == "unknown"


def test_a_match_tells_every_finding_in_order() -> None:
    conditions = parse({"tool.nginx": ">=1.18", "os.id": "debian", "host.cpus": ">=2"})
    result = match(conditions, {"os.id": "debian", "tool.nginx": None})
    assert [(f.condition.key, f.status, f.found) for f in result.findings] == [
        ("host.cpus", "unknown", None),
        ("os.id", "holds", "debian"),
        ("tool.nginx", "fails", None),
    ]
    assert result.holds is False
    assert match(conditions, {"os.id": "debian", "tool.nginx": "1.22.1", "host.cpus": 4}).holds is True
    assert match((), {}).holds is True


@pytest.mark.parametrize(
    ("mapping", "text", "canonical"),
    [
        ({"tool.openssl": " <4, >= 1.1.1 , <4"}, "tool.openssl >=1.1.1,<4", '["tool.openssl","range",">=1.1.1,<4"]'),
        ({"os.id": ["ubuntu", "debian", "ubuntu"]}, "os.id is one of debian, ubuntu", '["os.id","any_of",["debian","ubuntu"]]'),
        ({"os.id": "debian"}, "os.id = debian", '["os.id","equals","debian"]'),
        ({"os.id": {"not": ["arch"]}}, "os.id is none of arch", '["os.id","none_of",["arch"]]'),
        ({"tool.jq": {"exists": True}}, "tool.jq is there", '["tool.jq","exists",true]'),
        ({"tool.jq": {"exists": False}}, "tool.jq is not there", '["tool.jq","exists",false]'),
        ({"host.is_root": True}, "host.is_root = true", '["host.is_root","equals",true]'),
        ({"acme.n": 2.0}, "acme.n = 2", '["acme.n","equals",2]'),
        ({"acme.地": "x"}, "", ""),
    ],
)  # fmt: skip
def test_a_condition_has_one_text_for_people_and_one_for_the_index(
    mapping: dict[str, Any], text: str, canonical: str
) -> None:
    if not text:
        with pytest.raises(PackageError):
            parse(mapping)
        return
    (condition,) = parse(mapping)
    assert condition.text() == text
    assert condition.canonical() == canonical
    assert condition.operator in OPERATORS


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("openssl", "3", "words joined by dots"),
        ("Tool.git", "3", "words joined by dots"),
        ("tool.git\n", "3", "words joined by dots"),
        ("a." + "b" * 120, "3", "words joined by dots"),
        ("os.verison", "12", "is 'os.version' meant?"),
        ("network.internet", True, "no such fact"),
        ("tool.git", ">=", "no range"),
        ("tool.git", ">=x", "no range"),
        ("tool.git", "=>2", "no range"),
        ("tool.git", "===2.0", "no range"),
        ("tool.git", "~=2", "no range"),
        ("tool.git", ">=2.*", "no range"),
        ("tool.git", ">=2,,<3", "no range"),
        ("tool.git", 2.3, "put the version in quotes"),
        ("tool.git", [">=2", "3"], "must stand alone"),
        ("tool.git", {"not": [">=2"]}, "must stand alone"),
        ("tool.git", {"not": "2"}, "only {not: […]}"),
        ("tool.git", {"exists": "yes"}, "only {not: […]}"),
        ("tool.git", {"exists": True, "not": ["1"]}, "only {not: […]}"),
        ("tool.git", {}, "only {not: […]}"),
        ("tool.git", None, "it needs text"),
        ("tool.git", [], "1 to 50 entries"),
        ("tool.git", ["1"] * 51, "1 to 50 entries"),
        ("tool.git", "", "1 to 200 characters"),
        ("tool.git", "x" * 201, "1 to 200 characters"),
        ("tool.git", "a\x1b[2J", "can be printed"),
        ("tool.git", [["1"]], "it needs text"),
        ("os.id", ">=12", "no version and no number"),
        ("host.cpus", ">=two", "no range"),
        ("host.cpus", "~=2.0", "no range"),
        ("host.cpus", float("inf"), "too large"),
        ("host.cpus", 10**400, "too large"),
        ("acme.x", [f"{n:0190}" for n in range(20)], "longer than 2000 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_by_its_key(key: str, value: Any, words: str) -> None:
    with pytest.raises(PackageError) as refused:
        parse({key: value})
    assert refused.value.code == "condition_invalid"
    assert words in refused.value.message
    assert refused.value.message.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["1.2.3", ">=1,<2", "==1.*", "9" * 5000, "1.0-rc1", "unknown", "3"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["not", "exists", "x"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
keys = st.sampled_from(
    ["os.id", "os.version", "tool.git", "host.cpus", "host.is_root", "os.like", "acme.x", "python.version"]
)


def parsed(key: str, value: Any) -> Condition | None:
    try:
        return parse({key: value})[0]
    except PackageError:
        return None


@settings(max_examples=500, deadline=None)
@given(key=keys, value=json_values, fact=json_values | st.just(10**5000))
def test_matching_is_total_and_consistent(key: str, value: Any, fact: Any) -> None:
    condition = parsed(key, value)
    if condition is None:
        return
    status = condition.evaluate({key: fact})
    assert status in ("holds", "fails")
    assert condition.evaluate({}) == "unknown"
    assert match([condition], {key: fact}).holds == (status == "holds")
    assert (condition.evaluate({key: None}) == "holds") == (condition.operator == "exists" and condition.value is False)
    assert len(condition.canonical().encode()) <= CANONICAL_BYTES_LIMIT
    assert condition.text().startswith(key)


@settings(max_examples=500, deadline=None)
@given(first=st.tuples(keys, json_values), second=st.tuples(keys, json_values))
def test_canonical_is_one_to_one(first: tuple[str, Any], second: tuple[str, Any]) -> None:
    one, two = parsed(*first), parsed(*second)
    if one is None or two is None:
        return
    assert (one == two) == (one.canonical() == two.canonical())
    assert (hash(one) == hash(two)) or one != two
    key, operator, value = json.loads(one.canonical())
    again = Condition(key, operator, tuple(value) if isinstance(value, list) else value)
    assert again == one
    assert again.canonical() == one.canonical()


@settings(max_examples=200, deadline=None)
@given(value=json_values, fact=json_values)
def test_a_none_of_is_the_opposite_of_an_any_of(value: Any, fact: Any) -> None:
    items = value if isinstance(value, list) else [value]
    any_of, none_of = parsed("acme.x", items), parsed("acme.x", {"not": items})
    assert (any_of is None) == (none_of is None)
    if any_of is not None and none_of is not None and isinstance(fact, str | bool):
        assert {any_of.evaluate({"acme.x": fact}), none_of.evaluate({"acme.x": fact})} == {"holds", "fails"}


def test_facts_that_a_scenario_states_are_checked() -> None:
    assert fact_problem("tool.openssl", "1.0.2") is None
    assert fact_problem("os.like", ["debian"]) is None
    assert fact_problem("tool.openssl", None) is None
    assert "in quotes" in (fact_problem("tool.openssl", 1.0) or "")
    assert "no such fact" in (fact_problem("os.nothing", "x") or "")
    assert "it is text" in (fact_problem("acme.x", {"a": 1}) or "")

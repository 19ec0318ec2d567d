"""Schemas of parameters: what could reach out or never end is refused, the rest is JSON Schema 2020-12."""

from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keiken.package import parameters


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "http://127.0.0.1:1/schema"}, "'$ref' is not allowed"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "'$ref' is not allowed"),
        ({"allOf": [{"$dynamicRef": "#x"}]}, "'$dynamicRef' is not allowed"),
        ({"type": "object", "patternProperties": {"(a+)+$": {}}}, "'patternProperties' is not allowed"),
        ({"pattern": "(a)\\1"}, "the pattern cannot be used"),
        ({"pattern": "a(?=b)"}, "the pattern cannot be used"),
        ({"pattern": "("}, "the pattern cannot be used"),
        ({"format": "phone"}, "the format 'phone' is not known"),
        ({"type": "strnig"}, "it is no JSON Schema"),
        ({"minimum": "3"}, "it is no JSON Schema"),
        ({"enum": list(range(600))}, "more than 500 parts"),
        ({"type": "integer", "default": "3"}, "its default do not fit"),
        ({"type": "integer", "examples": [1, "2"]}, "its examples do not fit"),
        ({"format": "ipv4", "default": "1.2.3"}, "its default do not fit"),
        ({"maxLength": 3, "examples": ["abcd"]}, "its examples do not fit"),
    ],
)
def test_a_schema_that_cannot_be_trusted_is_told(schema: dict[str, Any], words: str) -> None:
    assert words in (parameters.schema_problem(schema) or "")


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string", "format": "hostname", "examples": ["shop.example"]},
        {"type": "integer", "minimum": 1, "maximum": 398, "default": 90},
        {"enum": ["$ref", {"$ref": "x"}], "default": "$ref"},
        {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}, "default": ["a"], "uniqueItems": True},
        {"type": ["string", "null"], "default": None},
        {"type": "object", "properties": {"a": {"type": "number"}}, "additionalProperties": False, "default": {"a": 1}},
    ],
)
def test_ordinary_schemas_are_fine(schema: dict[str, Any]) -> None:
    assert parameters.schema_problem(schema) is None


def test_no_pattern_and_no_format_takes_long() -> None:
    started = time.process_time()
    evil = "a" * 10_000 + "!"
    for pattern in ("^(a+)+$", "^(a|a)*$", "^([a-z]+)*@", "(.*a){12}$", "^(.*?,){11}P"):
        assert parameters.value_problem({"pattern": pattern}, evil) is not None or pattern.startswith("(.")
    for name in parameters.FORMATS:
        for text in (
            evil,
            "1" * 9_999,
            "a." * 5_000,
            "::" * 5_000,
            "a:" + "%41" * 3_000,
            "P" + "1Y" * 5_000,
            "@" * 9_999,
        ):
            parameters.value_problem({"format": name}, text)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("value", ["x" * 20_001, list(range(1_001)), "a\0b", {"a\0": 1}])
def test_a_value_that_no_replay_should_be_given_is_told(value: Any) -> None:
    assert parameters.value_problem({}, value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(st.sampled_from("ab1"), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
schemas = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "array", "object", "null", "boolean"]),
        "pattern": st.sampled_from(["^a", "b$", "^[ab]+$", "1", "a{2}"]),
        "maxLength": st.integers(0, 4),
        "enum": st.lists(json_values, min_size=1, max_size=3),
        "minimum": st.integers(-3, 3),
        "items": st.fixed_dictionaries({}, optional={"pattern": st.sampled_from(["^a", "1$"])}),
    },
)


@settings(max_examples=300, deadline=None)
@given(schema=schemas, value=json_values)
def test_the_verdict_is_that_of_the_reference_implementation(schema: dict[str, Any], value: Any) -> None:
    reference = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (parameters.value_problem(schema, value) is None) == reference

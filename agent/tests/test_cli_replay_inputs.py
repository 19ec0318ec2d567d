"""How a replay's parameters are read from the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from client_packages import MANIFEST
from hypothesis import given
from hypothesis import strategies as st

from keiken.cli import replay_inputs
from keiken.errors import UsageError
from keiken.package.manifest import Manifest

MANIFEST = Manifest.model_validate(
    {
        **MANIFEST,
        "parameters": {
            "text": {"type": "string"},
            "number": {"type": "integer"},
            "flag": {"type": "boolean"},
            "list": {"type": "array"},
            "any": {},
            "either": {"type": ["string", "integer"]},
        },
    }
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("text=7", "7"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ("number=7", 7),
        ("number=seven", "seven"),
        ("number=NaN", "NaN"),
        ("flag=true", True),
        ('list=["a", 1]', ["a", 1]),
        ("any=7", 7),
        ("any=seven", "seven"),
        ("either=7", "7"),
        ("unknown=7", 7),
    ],
)
def test_a_value_is_read_as_its_schema_says(given: str, expected: Any) -> None:
    (value,) = replay_inputs.parameters(MANIFEST, [given]).values()
    assert value == expected
    assert type(value) is type(expected)


@given(st.lists(st.text()))
def test_any_arguments_are_read_or_refused(given_values: list[str]) -> None:
    try:
        found = replay_inputs.parameters(MANIFEST, given_values)
    except UsageError:
        return
    json.dumps(found, allow_nan=False).encode()


def test_a_value_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(UsageError):
        replay_inputs.parameters(MANIFEST, ["text=\udcff"])

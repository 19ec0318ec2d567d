"""JSON from strangers is either storable or refused with a sentence."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from accounts.domain.refusals import Invalid, TooLarge
from marketplace.facts import FACTS_MAX, checked_facts, read_facts
from marketplace.parsing import DEPTH_MAX, JSON_MAX_BYTES, BoundedJSONParser, parse_json

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_ordinary_json_is_read_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"{", "no valid JSON"),
        (b"NaN", "NaN is no JSON number"),
        (b"[1, -Infinity]", "-Infinity is no JSON number"),
        (b"[1e999]", "a number is too large"),
        (b'{"a": "x\\u0000y"}', "the character NUL"),
        (b'{"x\\u0000y": 1}', "the character NUL"),
        (b'["\\ud800"]', "surrogates not allowed"),
        (b"\xff\xfe", "no valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), f"more than {DEPTH_MAX} levels"),
        (b"1" * 5000, "no valid JSON"),
    ],
)
def test_json_that_could_not_be_stored_is_refused(raw: bytes, sentence: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_json(raw)
    assert sentence in str(caught.value.detail)


def test_a_document_above_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(TooLarge) as caught:
        BoundedJSONParser().parse(io.BytesIO(b"[" * (JSON_MAX_BYTES + 1)))
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")


@pytest.mark.parametrize("text", ['{"os.id": "debian"}', '{"facts": {"os.id": "debian"}, "machine": "x"}'])
def test_facts_are_taken_bare_or_wrapped(text: str) -> None:
    assert read_facts(text) == {"os.id": "debian"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "facts_malformed"),
        ("[]", "facts_malformed"),
        ("{}", "facts_malformed"),
        ('"os.id"', "facts_malformed"),
        ("os.id: debian", "facts_malformed"),
        (" " * 64_001, "facts_too_large"),
    ],
)
def test_what_is_no_facts_is_refused_kindly(text: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_facts(text)
    assert caught.value.code == code
    assert "keiken facts --json" in caught.value.advice


def test_too_many_facts_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        checked_facts({f"a.{number}": 1 for number in range(FACTS_MAX + 1)})
    assert caught.value.code == "facts_malformed"

"""Hostile YAML becomes plain JSON values or a refusal with its line, and in a bounded time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml as pyyaml
from hostile import refusal_of
from hypothesis import given, settings
from hypothesis import strategies as st

from keiken.errors import PackageError
from keiken.package import yaml
from keiken.package.rules import RULES

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.from_regex(
        r"[-+]?[0-9][0-9_:.eExXoO+-]{0,8}|yes|No|on|OFF|~|null|<<|=|\.inf|[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(values)
def test_what_safe_dump_writes_is_read_back_as_the_same_value(value: Any) -> None:
    dumped = pyyaml.safe_dump(value)
    assert yaml.parse(dumped.encode(), "x.yaml").value == value


@settings(max_examples=200, deadline=None)
@given(values)
def test_json_is_read_as_json(value: Any) -> None:
    dumped = json.dumps(value, ensure_ascii=False)
    if "\x7f" not in dumped and "e" not in dumped.lower().replace("false", "").replace("true", ""):
        refused = refusal_of(lambda: yaml.parse(dumped.encode(), "x.json"))
        assert refused is None or refused.code in ("yaml_character", "yaml_syntax")
        assert refused or yaml.parse(dumped.encode(), "x.json").value == value


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(st.sampled_from("ab:-? \n\t[]{},&*!|>'\"%@`#~.<1"), max_size=60).map(str.encode),
        st.binary(max_size=60),
    )
)
def test_any_bytes_are_a_json_value_or_a_refusal(content: bytes) -> None:
    if refused := refusal_of(lambda: yaml.parse(content, "x.yaml")):
        assert refused.code in RULES
        assert refused.details["file"] == "x.yaml"
        return
    value = yaml.parse(content, "x.yaml").value
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("2026-11-23", "2026-11-23"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("0644", "0644"),
        ("0o17", "0o17"),
        ("0x1f", "0x1f"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("1.0e+3", 1000.0),
        ("-0", 0),
        ("-12", -12),
        ("1.10", 1.1),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("<<", "<<"),
        ("=", "="),
        ("|\n a\n b\n", "a\nb\n"),
    ],
)
def test_scalars_are_read_as_json_would_read_them(source: str, expected: Any) -> None:
    value = yaml.parse(f"a: {source}".encode(), "x.yaml").value["a"]
    assert value == expected
    assert type(value) is type(expected)


def test_every_key_and_item_knows_its_line() -> None:
    document = yaml.parse(b"a: 1\nb:\n  - c: 2\n    d: 3\n  - 4\ne: {f: 5,\n  g: 6}\n", "x.yaml")
    lines = {path: document.line(path) for path in [("a",), ("b",), ("b", 0, "d"), ("b", 1), ("e", "g")]}
    assert lines == {("a",): 1, ("b",): 2, ("b", 0, "d"): 4, ("b", 1): 5, ("e", "g"): 7}
    assert document.line(("b", 0, "nothing", "there")) == 3
    assert document.line(("nothing",)) == 1


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def each_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "_LOADER", getattr(pyyaml, request.param))


@pytest.mark.parametrize("escape", ["\\UFFFFFFFF", "\\ud800", "\\0"])
def test_an_escape_of_what_is_no_character_is_a_refusal(each_parser: None, escape: str) -> None:
    with pytest.raises(PackageError) as refused:
        yaml.parse(f'a: "{escape}"\n'.encode(), "x.yaml")
    assert refused.value.code == "yaml_character"


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"a: 1\nb: &x 2\n", "yaml_alias", 2),
        (b"a: 1\n\nb: *x\n", "yaml_alias", 3),
        (b"a: 1\nb: !!python/name:os.system x\n", "yaml_tag", 2),
        (b"a: !!int x\n", "yaml_tag", 1),
        (b"a: 1\nb: 2\na: 3\n", "yaml_duplicate_key", 3),
        (b"a:\n  1: x\n", "yaml_key", 2),
        (b"true: x\n", "yaml_key", 1),
        (b"a: .inf\n", "yaml_number", 1),
        (b"a: 9223372036854775808\n", "yaml_number", 1),
        (b"a: 1.0e+999\n", "yaml_number", 1),
        (b"a: 1\n b: 2\n", "yaml_syntax", 2),
        (b"a: 1\nb: \xff\n", "yaml_syntax", 2),
        (b"a: 1\nb: \x07\n", "yaml_character", 2),
        (b'a: "x\\0"\n', "yaml_character", 1),
        (b"a: 1\nb: \xef\xbb\xbf2\n", "yaml_character", 2),
        (b"a: 1\n---\nb: 2\n", "yaml_syntax", 2),
    ],
)
def test_a_refusal_names_file_line_and_rule(each_parser: None, content: bytes, code: str, line: int) -> None:
    with pytest.raises(PackageError) as refused:
        yaml.parse(content, "experience.yaml")
    assert refused.value.details == {"file": "experience.yaml", "line": line, "rule": code}
    assert refused.value.message.startswith(f"experience.yaml, line {line}: ")


SIZE = 250_000


@pytest.mark.parametrize(
    "content",
    [
        "[" * SIZE,
        "- " * (SIZE // 2),
        "? " * (SIZE // 2),
        "a: {" * (SIZE // 4),
        "a:\n" * (SIZE // 3),
        "a\n" * (SIZE // 2),
        "'" + "\n" * SIZE,
        '"' + "\\\n" * (SIZE // 2),
        "a: |\n" + "  \n" * (SIZE // 3),
        "# \n" * (SIZE // 3),
        "%TAG ! x\n" * (SIZE // 9),
        "x" * SIZE + ": 1",
        "[" + ",".join("a:" for _n in range(SIZE // 3)),
        "!" * SIZE,
        "a: " + "1" * SIZE,
        "--- a\n" * (SIZE // 6),
        "\t" * SIZE,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_no_document_within_the_limit_takes_long(content: str) -> None:
    started = time.process_time()
    refused = refusal_of(lambda: yaml.parse(content.encode(), "x.yaml"))
    assert refused is None or refused.code in RULES
    assert time.process_time() - started < 8

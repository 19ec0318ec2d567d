"""Values in ``${{ }}``, parameters and secrets: what fits, and that a value never becomes code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_sandbox import MemorySandbox, ran
from replays import package

from keiken.errors import Failed, Refused
from keiken.replay.engine import replay
from keiken.replay.parameters import complete
from keiken.replay.plan import plan
from keiken.replay.request import Replay
from keiken.replay.template import as_word, fill, fill_words


def evaluate(expression: str) -> Any:
    return json.loads(expression)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("a b", "a b"),
        (7, "7"),
        (-1.5, "-1.5"),
        (3.0, "3"),
        (True, "true"),
        (False, "false"),
        ("", ""),
        ("日本", "日本"),
    ],
)
def test_one_value_becomes_one_word(value: Any, word: str) -> None:
    assert as_word(value, "x") == word


@pytest.mark.parametrize(("value", "kind"), [([1], "a list"), ({}, "a map"), (None, "nothing (null)"), (b"x", "bytes")])
def test_what_is_no_single_word_is_refused(value: Any, kind: str) -> None:
    with pytest.raises(Failed) as refused:
        as_word(value, "parameters.x")
    assert refused.value.code == "value_not_usable"
    assert f"'parameters.x' is {kind}" in refused.value.message


def test_values_are_put_in_once_and_never_looked_at_again() -> None:
    filled = fill("a ${{ 1 }} b", lambda _expression: "${{ secrets.token }} ${{ 1 }}", {"token": "hunter2"})
    assert filled == "a ${{ secrets.token }} ${{ 1 }} b"
    assert fill("${{ secrets.token }}", evaluate, {"token": "hunter2"}) == "hunter2"
    with pytest.raises(Failed, match="no secret 'other'"):
        fill("${{ secrets.other }}", evaluate, {"token": "hunter2"})


def test_a_nul_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(Failed, match="NUL"):
        fill('${{ "a\\u0000b" }}', evaluate, {})


def test_the_option_guard_names_the_word_and_never_the_value() -> None:
    with pytest.raises(Failed) as refused:
        fill_words(["rm", "${{ secrets.token }}"], lambda text: text if text == "rm" else "-secret-value")
    assert "${{ secrets.token }}" in refused.value.message
    assert "-secret-value" not in refused.value.message + refused.value.advice


SCHEMAS: dict[str, Any] = {
    "text": {"type": "string", "default": "x"},
    "count": {"type": "integer", "default": 1},
    "any": {"default": None},
}


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        ({"text": "a\0b"}, "NUL"),
        ({"text": "a\ud800b"}, "surrogate"),
        ({"any": {"deep": ["a\0"]}}, "NUL"),
        ({"any": {"a\0": 1}}, "NUL"),
        ({"text": "x" * 100_001}, "100,000"),
        ({"count": 2**63}, "too large"),
        ({"any": [float("inf")]}, "too large"),
        ({"any": [float("nan")]}, "too large"),
        ({"any": object()}, "no JSON"),
        ({"text": 3}, "'text'"),
        ({"count": "3"}, "'count'"),
        ({"count": True}, "'count'"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_by_name(tmp_path: Path, given_: dict[str, Any], named: str) -> None:
    manifest = package(tmp_path, parameters=SCHEMAS, steps=[{"id": "a", "run": ["true"]}]).manifest
    with pytest.raises(Refused) as refused:
        complete(manifest, given_)
    assert refused.value.code == "parameter_invalid"
    assert refused.value.details == {"parameters": list(given_)}
    assert named in refused.value.message
    assert complete(manifest, {}) == {"text": "x", "count": 1, "any": None}


def test_every_parameter_at_fault_is_named(tmp_path: Path) -> None:
    manifest = package(tmp_path, parameters=SCHEMAS, steps=[{"id": "a", "run": ["true"]}]).manifest
    with pytest.raises(Refused) as refused:
        complete(manifest, {"text": 1, "count": "x"})
    assert refused.value.details == {"parameters": ["count", "text"]}


# --- a parameter never becomes code

HOSTILE = st.sampled_from(
    ["; rm -rf /", "$(touch work/pwned)", "`touch work/pwned`", "a\nb", "a\tb", "${{ secrets.token }}", "${IFS}",
     "' || '", '" && "', "\\", "*", "~", "../../etc/passwd", "-rf", "--", "\x1b[2J", "\u202e", "日本", "%s", "{{ a }}",
     "", "#", "&"]
)  # fmt: skip
TEXTS = st.lists(
    HOSTILE | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), max_size=4
).map("".join)
STEPS = [
    {"id": "words", "run": ["echo", "--", "${{ parameters.v }}", "a=${{ parameters.v }};"]},
    {"id": "script", "shell": 'echo "$V"', "env": {"V": "${{ parameters.v }}"}},
    {"id": "file", "file": {"write": "work/x", "content": "<${{ parameters.v }}>"}},
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_a_parameter_is_one_word_one_variable_one_text_and_nothing_else(tmp_path: Path, value: str) -> None:
    calls: list[Sequence[str]] = []

    def note(box: MemorySandbox, argv: Sequence[str], _env: Any) -> Any:
        calls.append(list(argv))
        return ran()

    box = MemorySandbox({"echo": note, "sh": note})
    made = package(tmp_path, parameters={"v": {"type": "string"}}, steps=STEPS)
    report = replay(Replay(package=made, executor=lambda: box, facts={}, parameters={"v": value}))
    assert report.outcome == "succeeded", report.reason
    assert calls == [["echo", "--", value, f"a={value};"], ["sh", "-c", 'echo "$V"']]
    assert box.environments == [{}, {"V": value}]
    assert box.files == {"work/x": f"<{value}>".encode()}
    assert set(report.steps[0].command) <= set(report.steps[0].command.replace("\x1b", "").replace("\u202e", ""))


def test_a_plan_shows_every_step_with_what_is_known_and_runs_nothing(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        parameters={"name": {"type": "string"}},
        secrets=["token"],
        steps=[
            {"id": "a", "title": "Say it", "run": ["echo", "${{ parameters.name }}", "${{ string(1 + 1) }}"]},
            {
                "id": "b",
                "run": ["echo", "${{ steps.a.outputs.x }}", "${{ secrets.token }}"],
                "when": "parameters.name != ''",
            },
            {"id": "c", "run": ["echo", "${{ file('work/a').text }}"]},
        ],
        undo=[{"id": "u", "file": {"remove": "work/a"}}],
    )
    steps = plan(made, {"name": "a; b"}, {})
    assert [step["command"] for step in steps] == [
        "echo 'a; b' 2",
        "echo '${{ steps.a.outputs.x }}' '${{ secrets.token }}'",
        "echo '${{ file('\"'\"'work/a'\"'\"').text }}'",
    ]
    assert (steps[0]["title"], steps[1]["when"]) == ("Say it", "parameters.name != ''")
    assert [step["command"] for step in plan(made, {"name": "x"}, {}, undo=True)] == ["remove work/a"]
    assert plan(made, None, {})[0]["command"] == "echo '${{ parameters.name }}' '${{ string(1 + 1) }}'"
    with pytest.raises(Refused):
        plan(made, {}, {})

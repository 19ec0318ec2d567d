"""What changed between two versions: each kind of change, what it means, and that no text takes long to compare."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.domain.changes import SHOWN_LINES, Change, Document, Line, Offered, changes, shortened, text_lines
from tests.packages import MANIFEST


def compare(old: dict[str, Any] | None = None, new: dict[str, Any] | None = None) -> dict[str, list[Change]]:
    before, after = Document({**MANIFEST, **(old or {})}), Document({**MANIFEST, **(new or {})})
    return dict(changes(before, after))


def test_two_that_do_the_same_have_no_changes() -> None:
    assert compare() == {}


def test_permissions_say_whether_it_may_touch_more_or_less() -> None:
    found = compare(new={"permissions": {"commands": ["cp", "curl"], "write": [], "network": ["example.org:443"]}})
    assert found == {
        "permissions": [
            Change(kind="added", what="commands", lines=(Line("+", "curl"),), effects=("asks_more",)),
            Change(kind="added", what="network", lines=(Line("+", "example.org:443"),), effects=("asks_more",)),
        ]
    }
    [back] = compare(old={"secrets": ["token"]})["permissions"]
    assert back == Change(kind="removed", what="secrets", lines=(Line("-", "token"),), effects=("asks_less",))


def test_conditions_say_where_it_holds_now() -> None:
    found = compare(
        old={"conditions": {"os.family": "linux", "tool.nginx": ">=1.18"}},
        new={"conditions": {"tool.nginx": ">=1.20", "tool.openssl": ">=3"}},
    )["conditions"]
    assert found == [
        Change(
            kind="changed",
            what="tool.nginx",
            lines=(Line("-", "tool.nginx >=1.18"), Line("+", "tool.nginx >=1.20")),
        ),
        Change(kind="added", what="tool.openssl", lines=(Line("+", "tool.openssl >=3"),), effects=("holds_narrower",)),
        Change(kind="removed", what="os.family", lines=(Line("-", "os.family = linux"),), effects=("holds_wider",)),
    ]


@pytest.mark.parametrize(
    ("old", "new", "kind", "effects"),
    [
        ({}, {"who": {"type": "string"}}, "added", ("must_be_given",)),
        ({}, {"who": {"type": "string", "default": "x"}}, "added", ()),
        ({"who": {"type": "string", "default": "x"}}, {"who": {"type": "string"}}, "changed", ("must_be_given",)),
        ({"who": {"type": "string"}}, {"who": {"type": "integer"}}, "changed", ()),
        ({"who": {"type": "string"}}, {}, "removed", ("refuses_old",)),
    ],
)
def test_parameters_say_whether_a_replay_must_be_called_otherwise(
    old: dict[str, Any], new: dict[str, Any], kind: str, effects: tuple[str, ...]
) -> None:
    [change] = compare({"parameters": old}, {"parameters": new})["parameters"]
    assert (change.kind, change.what, change.effects) == (kind, "who", effects)


def test_steps_are_matched_by_their_id() -> None:
    first, second = MANIFEST["steps"]
    new = {"id": "look", "run": ["ls", "two words", "${{ parameters.who }}"]}
    changed = {**second, "expect": second["expect"][:1]}
    found = compare(new={"steps": [changed, new, first]})["steps"]
    assert [(change.kind, change.what) for change in found if change.kind != "moved"] == [
        ("changed", "copy"),
        ("added", "look"),
    ]
    # Of two that changed places one has moved; which one is nobody's matter.
    assert len([change for change in found if change.kind == "moved"]) == 1
    assert found[0].effects == ("checks_less",)
    [added] = [change for change in found if change.kind == "added"]
    assert added.lines == (Line("+", "run: ls 'two words' ${{ parameters.who }}"),)
    [gone] = compare(new={"steps": [first]})["steps"]
    assert (gone.kind, gone.what) == ("removed", "copy")
    assert Line("-", "run: cp work/draft.txt work/greeting.txt") in gone.lines


def test_what_is_empty_says_nothing() -> None:
    bare, stored = {"id": "go", "shell": "true"}, {"id": "go", "env": {}, "shell": "true", "expect": [], "when": None}
    assert compare({"steps": [bare]}, {"steps": [stored]}) == {}


def test_a_script_is_compared_line_by_line() -> None:
    script = "\n".join(f"line {number}" for number in range(20))
    old = {"steps": [{"id": "go", "shell": script}]}
    new = {"steps": [{"id": "go", "shell": script.replace("line 7\n", "line seven\n")}]}
    [change] = compare(old, new)["steps"]
    assert change.lines == (
        Line("…", ""),
        Line(" ", "  line 5"),
        Line(" ", "  line 6"),
        Line("-", "  line 7"),
        Line("+", "  line seven"),
        Line(" ", "  line 8"),
        Line(" ", "  line 9"),
    )


def test_only_offers_that_are_for_one_of_both_are_told() -> None:
    offers = [
        Offered("old", "free", True, False),
        Offered("new", "9.00 EUR once", False, True),
        Offered("a", "b", True, True),
    ]
    found = changes(Document(MANIFEST), Document(MANIFEST), offers)
    assert found == {
        "terms": [
            Change(kind="removed", what="old", lines=(Line("-", "free"),)),
            Change(kind="added", what="new", lines=(Line("+", "9.00 EUR once"),)),
        ]
    }


@given(st.lists(st.sampled_from("abc"), max_size=60), st.lists(st.sampled_from("abc"), max_size=60))
def test_the_lines_lead_from_one_text_to_the_other(old: list[str], new: list[str]) -> None:
    lines = text_lines("\n".join(old), "\n".join(new))
    assert (lines == ()) == (old == new)
    assert sum(line.sign == "+" for line in lines) - sum(line.sign == "-" for line in lines) == len(new) - len(old)


def test_a_long_or_hostile_text_is_told_shortly_and_soon() -> None:
    started = time.monotonic()
    for text in ("a\n" * 900, "a\n" * 20_000, "ab" * 50_000):
        lines = text_lines(text, text.replace("a", "b"))
        assert len(lines) <= SHOWN_LINES + 2
        assert max(len(line.text) for line in lines) <= 2_000
    assert time.monotonic() - started < 20


def test_a_page_shows_as_many_lines_as_have_room() -> None:
    found = changes(Document(MANIFEST, ""), Document({**MANIFEST, "title": "x" * 150}, "y" * 60 + "\n" + "z" * 60))
    [title, text] = shortened(found, 250)["words"]
    assert [line.sign for line in title.lines] == ["-", "+"]
    assert [(line.sign, len(line.text)) for line in text.lines] == [("+", 60), ("…", 0)]
    assert shortened(found, 10_000) == found

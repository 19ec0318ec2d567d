"""Which names and patterns of paths are allowed, and what they match."""

from __future__ import annotations

import time

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiken.package import names
from keiken.package.globs import matches
from keiken.package.rules import RULES, refusal


@given(st.text(max_size=30) | st.text(st.sampled_from("a/.\\ :~é\u0301\0~"), max_size=12))
def test_every_path_is_fine_or_refused_by_a_rule(path: str) -> None:
    if refused := hostile.refusal_of(lambda: names.check_path(path)):
        assert refused.code.startswith("path_")
        assert refused.code in RULES
        assert refused.message.isprintable()
        return
    assert path == path.strip("/")
    assert ".." not in path.split("/")
    assert names.split(path) is not None


@given(st.lists(st.sampled_from(["a", "A", "ß", "SS", "a/b", "a/B", "é", "É", "b"]), unique=True, max_size=6))
def test_collisions_are_found_whatever_the_order(paths: list[str]) -> None:
    def is_refused(order: list[str]) -> bool:
        refused = hostile.refusal_of(lambda: names.check_collisions(order))
        assert refused is None or refused.code == "path_collision"
        return refused is not None

    assert is_refused(paths) == is_refused(paths[::-1])
    if len({path.casefold() for path in paths}) < len(paths):
        assert is_refused(paths)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("work/**", "work/a", True),
        ("work/**", "work/a/b/c", True),
        ("work/**", "work", False),
        ("work/**", "works/a", False),
        ("work/*", "work/a/b", False),
        ("work/*.txt", "work/a.txt", True),
        ("work/**/*.pem", "work/key.pem", True),
        ("work/**/*.pem", "work/a/b/key.pem", True),
        ("work/**/*.pem", "work/a/b/key.txt", False),
        ("/etc/nginx/**", "/etc/nginx/sites/a", True),
        ("/etc/nginx/**", "/etc/passwd", False),
        ("/etc/nginx/**", "etc/nginx/a", False),
        ("work/?", "work/ab", False),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_no_pattern_takes_long() -> None:
    started = time.process_time()
    assert matches("/".join(["**", "a"] * 50), "/".join(["a"] * 200)) is True
    assert matches("/".join(["**", "a"] * 50) + "/b", "/".join(["a"] * 200)) is False
    assert matches("work/" + "*a" * 90, "work/" + "a" * 200 + "b") is False
    assert time.process_time() - started < 2


def test_a_refusal_outside_the_list_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        refusal("made_up", "x")

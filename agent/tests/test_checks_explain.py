"""A check that does not hold says which part of it, and what it found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from states import MappedState

from keiken.checks import Evaluator

BINDINGS = {
    "result": {"exit_code": 3, "stdout": "no\n", "status": 500},
    "parameters": {"days": 7},
    "steps": {},
    "facts": {},
}


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator(MappedState({"work/a": b"", "work/b": b"12345"})) as live:
        yield live


@pytest.mark.parametrize(
    ("expression", "detail"),
    [
        ("file('work/b').size > 500", "file('work/b').size is 5; it should be > 500"),
        ("500 < file('work/b').size", "file('work/b').size is 5; it should be <"),
        ("result.exit_code == parameters.days", "result.exit_code is 3 and parameters.days is 7; it should be =="),
        ("result.exit_code == 3 && (file('work/b').size == 5 && result.status == 200)",
         "result.status is 500; it should be == 200"),
        ("!file('work/b').exists", "file('work/b').exists is true"),
        ("result.exit_code == 0 || result.status == 200",
         "result.exit_code is 3; it should be == 0; result.status is 500; it should be == 200"),
        ("files('work/*').all(f, file(f).size > 0)",
         "file(f).size > 0 is false for 1 of files('work/*'), first for \"work/a\""),
        ("result.stdout.contains('yes')", "result.stdout.contains('yes') is false: result.stdout is \"no\\n\""),
        ("files('work/*').exists(f, f == 'x')",
         "files('work/*').exists(f, f == 'x') is false: files('work/*') is [\"work/a\", \"work/b\"]"),
        ("'x' in files('work/*')", "files('work/*') is [\"work/a\", \"work/b\"]; it should hold \"x\""),
        ("port(80).open", "port(80).open is false"),
        ("file('work/c').text == 'x'", "'file('work/c').text == 'x'': the file work/c does not exist."),
        ("result.exit_code == 3 && file('work/c').text == 'x'",
         "'file('work/c').text == 'x'': the file work/c does not exist."),
        ("result.stdout == 'no\\n' ? false : true", "result.stdout == 'no\\n' ? false : true"),
    ],
)  # fmt: skip
def test_the_part_that_is_false_is_shown_with_what_was_found(
    evaluator: Evaluator, expression: str, detail: str
) -> None:
    assert evaluator.explain(expression, BINDINGS) == detail


def test_a_long_value_is_cut(evaluator: Evaluator) -> None:
    detail = evaluator.explain("result.stdout == ''", {"result": {"stdout": "x" * 5000}})
    assert len(detail) < 300
    assert detail.endswith("…; it should be == ''")


def test_explaining_is_as_bounded_as_checking(evaluator: Evaluator) -> None:
    state = MappedState({"work/a": b""})
    with Evaluator(state) as live:
        expression = " && ".join(["file('work/a').exists"] * 50 + ["false"])
        assert live.evaluate(expression, {}) is False
        assert "too many parts" in live.explain(expression, {})
    assert len(state.asked) == 1  # the same look at the state as when it was evaluated

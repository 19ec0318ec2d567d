"""Checks are evaluated in a child that sees nothing but what it asks for, and that can be killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from states import FILES, MappedState

from keiken.checks import CheckError, Evaluator
from keiken.checks.frames import dump, load

BINDINGS = {
    "result": {"exit_code": 0, "stdout": "hello\n"},
    "parameters": {"days": 7, "name": "日本"},
    "steps": {"key": {"outputs": {"path": "work/a.txt"}}},
    "facts": {"tool.git": "2.39.2"},
}


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator(MappedState(FILES, frozenset({8443}))) as live:
        yield live


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("result.exit_code == 0", True),
        ("parameters.days + 1", 8),
        ("file('work/a.txt').exists && !file('work/b').exists", True),
        ("file('work/a.txt').lines", ["one", "two"]),
        ("file('work/a.txt').bytes", b"one\ntwo\n"),
        ("file('work/empty').lines", []),
        ("file('work/latin1').size", 4),
        ("has(file('work/latin1').text)", False),
        ("has(file('work/b').text)", False),
        ("file('work/data.json').json.items[0].price", 3),
        ("json(file('work/data.json').text).name == parameters.name", True),
        ("json(file('work/trap.json').text)", {"@bytes": "!!", "@map": [1]}),
        ("file('work/bytes.json').json", {"@bytes": "!!"}),
        ("[file('work/map.json').json]", [{"@map": 3}]),
        ("csv(file('work/list.csv').text)", [{"name": "A", "total": "1"}, {"name": "B, C", "total": "2"}]),
        ("csv('\\ufeffa;b\\n1;2')", [{"a;b": "1;2"}]),
        ("files('work/*.csv')", ["work/list.csv"]),
        ("port(8443).open && !port(80).open", True),
        ("sha256('') == sha256(b'')", True),
        ("sha256(file('work/a.txt').bytes) == file(steps.key.outputs.path).sha256", True),
        ("length('日本')", 2),
        ("size('日本')", 6),  # the interpreter counts bytes; docs/checks.md says so and names length()
        ("trim(' a ') + upper('b') + lower('C') + replace('dd', 'd', 'e')", "aBcee"),
        ("join(split('a,b', ','), ';')", "a;b"),
        ("min([3, 1, 2]) + max(1, 2)", 3),
        ("facts['tool.git']", "2.39.2"),
        ("timestamp('2024-01-01T00:00:00Z') + duration('1h')", "2024-01-01T01:00:00Z"),
        ("duration('90m')", "5400s"),
        ("{2: 'a', true: b'b'}", {"2": "a", "true": b"b"}),
        ("1 == 1.0 && 1 != '1' && 1u == 1", True),
        ("true || parameters.nope == 1", True),
        ("type(1)", "int"),
    ],
)
def test_the_values_of_checks(evaluator: Evaluator, expression: str, value: Any) -> None:
    found = evaluator.evaluate(expression, BINDINGS)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("file('work/b').text == ''", "the file work/b does not exist"),
        ("file('work/latin1').text == ''", "work/latin1 is not UTF-8 text"),
        ("file('work/a.txt').json == 1", "work/a.txt is not JSON"),
        ("file('work/a.txt').size > 0 && json(file('work/b').text) == 1", "the file work/b does not exist"),
        ("file(3).exists", "file() takes text"),
        ("port('80').open", "port() takes a number"),
        ("port(true).open", "port() takes a number"),
        ("files('../*').size() > 0", "it leads elsewhere"),
        ("parameters.nope == 1", "there is no 'nope'"),
        ("[1][7] == 1", "a list has no such place"),
        ("1 / 0 == 1", "it divides by zero"),
        ("9223372036854775807 + 1 > 0", "a number grows too large"),
        ("1 + 1.0 == 2.0", "values of different kinds"),
        ("int('x') == 1", "int() cannot take what it is given"),
        ("length(4) == 1", "length() takes text, bytes, a list or a map"),
        ("result.stdout.matches('(')", "no valid regular expression"),
        ("json('[NaN]')", "NaN is not JSON"),
        ("json('{') == 1", "the text is not JSON"),
        ("1.0 / 0.0", "the value is no finite number"),
        ("'x'.matches('((((a{1,100}){1,100}){1,100}))')", "size limit"),
    ],
)
def test_a_check_that_cannot_be_evaluated_says_why(evaluator: Evaluator, expression: str, why: str) -> None:
    with pytest.raises(CheckError) as refused:
        evaluator.evaluate(expression, BINDINGS)
    assert refused.value.code == "check_failed"
    assert why in refused.value.message


@pytest.mark.parametrize(
    "expression",
    [
        "parameters.l.all(x, parameters.l.all(y, x + y >= 0))",
        "parameters.l.map(x, parameters.l.map(y, string(x + y)))",
        "parameters.l.map(x, parameters.s)",
    ],
)
def test_what_takes_too_long_is_killed_and_the_next_check_works(expression: str) -> None:
    bindings = {"parameters": {"l": list(range(20_000)), "s": "a" * 200_000}}
    with Evaluator(MappedState(FILES), cpu_seconds=0.3) as live:
        started = time.monotonic()
        with pytest.raises(CheckError) as refused:
            live.evaluate(expression, bindings)
        assert refused.value.code == "check_too_expensive"
        assert "lines" in refused.value.advice
        assert time.monotonic() - started < 60
        assert live.evaluate("file('work/a.txt').size", {}) == 8


def test_a_value_larger_than_a_mebibyte_is_refused(evaluator: Evaluator) -> None:
    with pytest.raises(CheckError, match="larger than 1 MiB"):
        evaluator.evaluate("parameters.s + parameters.s", {"parameters": {"s": "a" * 600_000}})


def test_the_child_sees_only_what_the_expression_names() -> None:
    state = MappedState(FILES)
    with Evaluator(state) as live:
        assert live.evaluate("file('work/a.txt')", {}).keys() == {"exists", "kind", "size", "mode", "sha256"}
        assert live.evaluate("file('work/a.txt').size + file('work/a.txt').size", {}) == 16
    assert state.asked == ["file work/a.txt", "file work/a.txt"]  # once a check, however often it asks


def test_one_check_may_not_ask_without_end() -> None:
    state = MappedState({f"work/{n}": b"" for n in range(3000)})
    with Evaluator(state) as live, pytest.raises(CheckError, match="looks at too many files"):
        live.evaluate("files('*').all(f, file(f).exists)", {})
    assert len(state.asked) == 2000


def test_what_is_kept_of_many_large_files_is_bounded() -> None:
    state = MappedState({f"work/{n}": b"x" * (1 << 20) for n in range(80)})
    with Evaluator(state) as live:
        assert live.evaluate("files('*').all(f, file(f).size > 0)", {}) is True
        with pytest.raises(CheckError):
            live.evaluate("files('*').all(f, file(f).bytes.size() > 0)", {})
        assert sum(question.startswith("file ") for question in state.asked) < 80 + 80


def test_trouble_of_the_state_is_no_answer_but_an_error() -> None:
    class Broken(MappedState):
        def file(self, path: str) -> dict[str, Any]:
            raise OSError(5, "Input/output error")

    with Evaluator(Broken()) as live, pytest.raises(CheckError, match="Input/output error"):
        live.evaluate("file('a').exists", {})


def test_several_evaluators_work_beside_each_other() -> None:
    found: list[int] = []

    def count(size: int) -> None:
        with Evaluator(MappedState({"a": b"x" * size})) as live:
            found.extend(live.evaluate("file('a').size", {}) for _turn in range(20))

    threads = [threading.Thread(target=count, args=(size,)) for size in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [size for size in (1, 2, 3, 4) for _turn in range(20)]


def test_values_beyond_what_json_holds_are_an_error_of_that_check(evaluator: Evaluator) -> None:
    deep: Any = 1
    for _level in range(100):
        deep = [deep]
    for value in (float("nan"), deep, "\ud800"):
        with pytest.raises(CheckError):
            evaluator.evaluate("parameters.x == 1", {"parameters": {"x": value}})
    assert evaluator.evaluate("parameters.days", BINDINGS) == 7


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_every_value_survives_the_way_to_the_child(value: Any) -> None:
    assert load(dump(value)[4:]) == value


@settings(max_examples=60, deadline=None)
@given(_JSON)
def test_every_value_comes_back_from_the_child_as_it_went(evaluator: Evaluator, value: Any) -> None:
    assert evaluator.evaluate("parameters.x", {"parameters": {"x": value}}) == value


def test_threads_that_need_the_interpreter_first_at_the_same_time_all_get_it() -> None:
    code = (
        "import sys\nfrom concurrent.futures import ThreadPoolExecutor\nfrom threading import Barrier\n"
        "from keiken.checks.native import interpreter\nsys.setswitchinterval(1e-6)\nbarrier = Barrier(8)\n"
        "def get(_number):\n    barrier.wait()\n    return id(interpreter())\n"
        "with ThreadPoolExecutor(8) as pool:\n    print(len(set(pool.map(get, range(8)))))\n"
    )
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr

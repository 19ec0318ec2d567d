"""What may be written in a check, and what is refused before it is ever evaluated."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiken.checks import CheckError, lint, references
from keiken.checks.tokens import last_call, split, without_parentheses


@pytest.mark.parametrize(
    "expression",
    [
        "result.exit_code == 0",
        "!file('work/cert.pem').exists",
        "file('work/cert.pem').size > 500 && file('work/key.pem').mode == '0600'",
        "files('work/*.csv').all(f, file(f).size > 0)",
        "csv(file('work/a.csv').text).exists(row, row.name == 'x' && row.total != '')",
        "parameters.days > 90 ? result.status == 200 : true",
        "[1, 2].all(x, [3].exists(y, y > x))",
        "has(parameters.days)",
        "facts['tool.git'].matches('^2')",
        "steps.key.outputs.fingerprint != ''",
        "'// no comment'.size() == 13",
        "result.json.items.map(i, i.price).size() < 1000",
        "length(result.stdout) < 10 && trim(result.stdout) == '日本'",
        "timestamp('2024-01-01T00:00:00Z') < timestamp('2025-01-01T00:00:00Z')",
        "{'a': 1}['a'] == 1",
        r"result.stdout.contains('it\'s \"quoted\"')",
    ],
)
def test_what_a_check_needs_is_accepted(expression: str) -> None:
    lint(expression)


@pytest.mark.parametrize(
    ("expression", "code", "named"),
    [
        ("parameter.days > 3", "check_unknown_variable", "Is 'parameters' meant?"),
        ("secrets.token != ''", "check_unknown_variable", "'secrets'"),
        ("files('*').exists(f, g == f)", "check_unknown_variable", "'g'"),
        ("x == 1 && [1].all(x, x == 1)", "check_unknown_variable", "'x'"),
        ("exec('ls')", "check_unknown_function", "'exec'"),
        ("now() > timestamp('2024-01-01T00:00:00Z')", "check_unknown_function", "'now'"),
        ("fiel('a').exists", "check_unknown_function", "Is 'file' meant?"),
        ("'a'.reverse() == 'a'", "check_unknown_function", "'reverse'"),
        ("all(x, true)", "check_syntax", "files('work/*').all(x, …)"),
        ("Config{a: 1}", "check_unknown_type", "'Config'"),
        ("result.exit_code = 0", "check_syntax", "character 18"),
        ("result.exit_code ==", "check_syntax", "cannot be read"),
        ("'open", "check_syntax", "character 1"),
        ("", "check_syntax", "cannot be read"),
        ("   ", "check_syntax", "cannot be read"),
        ("a.`b`", "check_syntax", "character 3"),
        ("result\x00.a", "check_syntax", "character 7"),
        ("rеsult.exit_code == 0", "check_syntax", "character 2"),  # a Cyrillic е
        ("(" * 25 + "true" + ")" * 25, "check_too_deep", "24 deep"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "check_too_deep", "at most 2"),
        ("[1].map(a, [[1].filter(b, {'x': [2].exists(c, true)}.x)])", "check_too_deep", "at most 2"),
        ("+".join(["1"] * 400), "check_too_large", "300 operators"),
        ("result" + ".a" * 500, "check_too_large", "300 operators"),
        ("'" + "x" * 2000 + "' == ''", "check_too_large", "2008"),
    ],
)
def test_what_is_refused_is_named(expression: str, code: str, named: str) -> None:
    with pytest.raises(CheckError) as refused:
        lint(expression)
    assert refused.value.code == code
    assert named in f"{refused.value.message} {refused.value.advice}"


@pytest.mark.parametrize(
    "expression",
    [
        "true // '''\n && [1].all(a, [1].all(b, [1].all(c, true))) // '''",
        "true //(",
        "1 == 1 // ' \n && exec('x') // '",
    ],
)
def test_a_comment_cannot_hide_words_from_the_limits(expression: str) -> None:
    with pytest.raises(CheckError) as refused:
        lint(expression)
    assert refused.value.code == "check_syntax"


def test_two_loops_beside_each_other_in_a_loop_are_no_deeper_than_two() -> None:
    lint("[1].all(a, [1].all(b, true) && [2].all(c, true))")


_LARGEST = [
    "+".join(["1"] * 300),
    "result" + ".a" * 299,
    "result" + "[0]" * 300,
    "!" * 299 + "true",
    "-" * 299 + "1",
    "(" * 24 + "1" + ")" * 24,
    "[" * 24 + "]" * 24,
    "{1:" * 24 + "1" + "}" * 24,
    "&&".join(["[1].all(x, x == 1)"] * 59),
    "?".join(["true"] * 60) + ":1" * 59,
]


def test_the_largest_checks_do_not_overflow_a_small_stack() -> None:
    """A web server's threads may have little stack, and an overflow would end the whole process."""
    code = (
        "import sys, threading\nfrom keiken.checks import CheckError, lint\n"
        "def go():\n for e in sys.argv[1:]:\n  try: lint(e)\n  except CheckError: pass\n print('done')\n"
        "threading.stack_size(256 * 1024)\nt = threading.Thread(target=go)\nt.start()\nt.join()"
    )
    done = subprocess.run([sys.executable, "-c", code, *_LARGEST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_many_threads_may_look_at_checks_at_once() -> None:
    troubles: list[BaseException] = []

    def look() -> None:
        try:
            for _turn in range(50):
                lint("files('work/*').all(f, file(f).size > 0)")
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=look) for _thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []


_PIECES = st.sampled_from(
    "result|parameters|.|a|(|)|[|]|{|}|:|,|'|\"|'''|\\|//|\n| |all|map|has|file|size|&&|!|?|==|<|in|1|1.5|0x|u|r'|b'|"
    "\x00|é|日|\ud800|true|null|-|%".split("|")
)


@given(st.lists(_PIECES, max_size=40).map("".join) | st.text(max_size=80))
def test_whatever_is_written_is_accepted_or_refused_but_never_a_crash(expression: str) -> None:
    refused = None
    try:
        lint(expression)
    except CheckError as error:
        refused = error
    assert refused is None or (refused.message and refused.code.startswith("check_"))


def test_references_tell_what_an_expression_looks_at() -> None:
    found = references("parameters.days > 3 && steps.key.outputs.path == file(facts['x']).text && 'result.no' != ''")
    assert found == {("parameters", "days"), ("steps", "key", "outputs", "path"), ("facts",)}


def test_an_expression_is_taken_apart_at_its_top_level_only() -> None:
    assert split("a && (b && c) && f('x && y')", {"&&"}) == (["a", "(b && c)", "f('x && y')"], ["&&", "&&"])
    assert without_parentheses("((a) && (b))") == "(a) && (b)"
    assert without_parentheses("(a) && (b)") == "(a) && (b)"
    assert last_call("files('*').all(f, f.size() > (1))") == ("files('*')", "all", ["f", "f.size() > (1)"])
    assert last_call("a == b.contains('x')") is None
    assert last_call("f(x)") is None

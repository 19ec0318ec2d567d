"""Wrong effects in real sandboxes: which of them checks notice, which survive, and what is proposed against them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_sandbox import MemorySandbox
from replays import package
from sandboxes import debian, driver

from keiken.package import Package
from keiken.replay.actions import ActionResult
from keiken.replay.prove import prove
from keiken.strength import DEFAULT_THRESHOLD, Bounds, MutantRecord, Strength, grade, sentence, summary, wilson
from keiken.strength.apply import Spoiler
from keiken.strength.bytes import with_byte_changed, wrong_value
from keiken.strength.observe import Observer

SCENARIO = {"name": "works", "files": {"work/in": "assets/in"}}
IN = {"assets/in": "one\ntwo\nthree\n"}
COPY = {"id": "copy", "run": ["cp", "work/in", "work/out"]}
SAME = "file('work/out').sha256 == file('work/in').sha256"


def graded(made: Package, **bounds: Any) -> Strength:
    verdicts = [prove(made, scenario, driver=driver(), environment=debian()) for scenario in made.manifest.scenarios]
    assert [verdict.verdict for verdict in verdicts] == ["passed"] * len(verdicts), [one.reason for one in verdicts]
    return grade(made, verdicts, driver=driver(), environment=debian(), bounds=Bounds(**bounds) if bounds else None)


def statuses(strength: Strength) -> dict[str, str]:
    return {
        " ".join(filter(None, [mutant.kind, mutant.step, mutant.target, mutant.how])): mutant.status
        for mutant in strength.mutants
    }


# --- what is tried, and what notices


def test_a_check_of_the_content_notices_everything(tmp_path: Path) -> None:
    made = package(tmp_path, files=IN, steps=[{**COPY, "expect": [SAME]}], scenarios=[SCENARIO])
    strength = graded(made)
    assert statuses(strength) == {
        "omit copy left_out": "caught",
        "undo copy undone": "caught",
        "corrupt copy work/out emptied": "caught",
        "corrupt copy work/out truncated": "caught",
        "corrupt copy work/out byte_changed": "caught",
    }
    assert {mutant.caught_by for mutant in strength.mutants} == {f"copy: {SAME}"}
    assert (strength.caught, strength.n, strength.made, strength.grade()) == (5, 5, 5, "fair")


@pytest.mark.parametrize(
    ("check", "survivors"),
    [
        ("file('work/out').exists", {"emptied", "truncated", "byte_changed"}),
        ("file('work/out').size > 0", {"truncated", "byte_changed"}),
        ("file('work/out').size == file('work/in').size", {"byte_changed"}),
        (SAME, set()),
    ],
)
def test_each_stronger_check_lets_less_pass_and_the_next_one_is_proposed(
    tmp_path: Path, check: str, survivors: set[str]
) -> None:
    strength = graded(package(tmp_path, files=IN, steps=[{**COPY, "expect": [check]}], scenarios=[SCENARIO]))
    assert {mutant.how for mutant in strength.survivors} == survivors
    proposals = {mutant.how: (mutant.place, mutant.proposal) for mutant in strength.survivors}
    expected = dict.fromkeys(survivors, ("step", SAME)) | (
        {"emptied": ("step", "file('work/out').size > 0")} if "emptied" in survivors else {}
    )
    assert proposals == expected


def test_checks_of_the_exit_status_only_are_graded_weak(tmp_path: Path) -> None:
    steps = [
        {"id": f"write_{name}", "shell": f"echo {name} > work/{name}", "expect": ["result.exit_code == 0"]}
        for name in ("a", "b", "c", "d")
    ]
    # One glance at the end is enough for the hollow run, and for nothing else.
    made = package(tmp_path, steps=steps, scenarios=[{"name": "works", "expect": ["file('work/a').exists"]}])
    strength = graded(made)
    caught = {name for name, status in statuses(strength).items() if status == "caught"}
    assert caught == {"omit write_a left_out", "undo write_a undone"}
    assert (strength.n, strength.grade()) == (14, "weak")
    assert strength.interval[0] < DEFAULT_THRESHOLD
    proposals = {(mutant.kind, mutant.step): mutant.proposal for mutant in strength.survivors}
    assert proposals["undo", "write_b"] == "file('work/b').exists"
    assert proposals["corrupt", "write_d"].startswith("file('work/d')")


def test_every_proposed_check_notices_what_it_was_proposed_for(tmp_path: Path) -> None:
    step = {"id": "make", "shell": "echo made; echo text > work/a; date +%N > work/b; rm work/in; cp work/a work/c"}
    fields: dict[str, Any] = {"files": IN}
    scenario = {**SCENARIO, "expect": ["!file('work/in').exists"]}
    before = graded(package(tmp_path / "weak", **fields, steps=[step], scenarios=[scenario]))
    assert before.survivors
    better = {**step, "expect": [mutant.proposal for mutant in before.survivors if mutant.place == "step"]}
    end = [mutant.proposal for mutant in before.survivors if mutant.place == "scenario"]
    made = package(tmp_path / "better", **fields, steps=[better], scenarios=[{**scenario, "expect": end}])
    after = statuses(graded(made))
    assert [(mutant.target, bool(mutant.proposal)) for mutant in before.survivors] == [("files", True)]
    # Of the files that no check looked at before, the one that now is looked at is tried alone.
    assert after["corrupt make work/a byte_changed"] == "caught"


def test_what_is_chance_is_never_proposed(tmp_path: Path) -> None:
    step = {"id": "now", "shell": "od -An -N16 -tx1 /dev/urandom > work/key", "expect": ["file('work/key').exists"]}
    strength = graded(package(tmp_path, steps=[step], scenarios=[{"name": "works"}]))
    proposals = {mutant.how: mutant.proposal for mutant in strength.survivors}
    assert proposals == {"emptied": "file('work/key').size > 0", "truncated": "", "byte_changed": ""}


def test_a_secret_is_not_quoted_in_a_proposal(tmp_path: Path) -> None:
    step = {"id": "write", "file": {"write": "work/t", "content": "key ${{ secrets.token }}\n"},
            "expect": ["file('work/t').exists"]}  # fmt: skip
    scenario = {"name": "works", "secrets": {"token": "hunter2-secret"}}
    strength = graded(package(tmp_path, steps=[step], secrets=["token"], scenarios=[scenario]))
    assert strength.survivors
    assert "hunter2" not in strength.model_dump_json()


def test_a_wrong_value_of_an_output_goes_unnoticed_until_something_checks_it(tmp_path: Path) -> None:
    count = {"id": "count", "shell": "echo 3", "outputs": {"n": "int(result.stdout.trim())"}}
    fields: dict[str, Any] = {"steps": [count], "result": {"n": "steps.count.outputs.n"}}
    scenario = {"name": "works", "expect": ["result.n > 1"]}
    weak = graded(package(tmp_path / "weak", **fields, scenarios=[scenario]))
    (survivor,) = weak.survivors
    assert (survivor.target, survivor.place, survivor.proposal) == (
        "outputs.n",
        "scenario",
        "steps.count.outputs.n == 3",
    )
    strong = graded(package(tmp_path / "ok", **fields, scenarios=[{**scenario, "expect": [survivor.proposal]}]))
    assert strong.survivors == []
    assert statuses(strong) == {
        "omit count left_out": "caught",
        "corrupt count stdout emptied": "caught",
        "corrupt count outputs.n value_changed": "caught",
    }


def test_mutants_that_could_make_no_difference_are_not_made(tmp_path: Path) -> None:
    steps = [
        {"id": "ok", "ask": "Now?"},
        {"id": "same", "file": {"write": "work/in", "source": "assets/in", "mode": "0644"}},
        {"id": "say", "run": ["echo", "unused"], "outputs": {"word": "result.exit_code"}},
        {**COPY, "expect": [SAME]},
    ]
    scenario = {**SCENARIO, "answers": {"ok": True}}
    strength = graded(package(tmp_path, files=IN, steps=steps, scenarios=[scenario]))
    assert {name for name in statuses(strength) if " copy" not in name} == {"omit say left_out"}


def test_what_a_step_removed_or_changed_is_brought_back(tmp_path: Path) -> None:
    step = {"id": "tidy", "shell": "rm work/in; echo more >> work/keep; chmod 600 work/keep"}
    scenario = {"name": "works", "files": {"work/in": "assets/in", "work/keep": "assets/in"}}
    looks = {"!file('work/in').exists": "caught", "file('work/keep').mode == '0600'": "caught",
             "file('work/keep').size == 19": "caught"}  # fmt: skip
    for number, (check, status) in enumerate(looks.items()):
        made = package(tmp_path / str(number), files=IN, steps=[{**step, "expect": [check]}], scenarios=[scenario])
        assert statuses(graded(made))["undo tidy undone"] == status


def test_a_mutant_is_caught_when_any_scenario_catches_it(tmp_path: Path) -> None:
    scenarios = [SCENARIO, {**SCENARIO, "name": "looks", "expect": [SAME, "file('work/out').size > 0"]}]
    step = {**COPY, "expect": ["file('work/out').exists"]}
    strength = graded(package(tmp_path, files=IN, steps=[step], scenarios=scenarios))
    assert {(mutant.how, mutant.scenario) for mutant in strength.mutants} == {
        ("left_out", "works"),
        ("undone", "works"),
        ("emptied", "looks"),
        ("truncated", "looks"),
        ("byte_changed", "looks"),
    }
    assert (strength.caught, strength.n) == (5, 5)


def test_of_a_scenario_that_stops_only_the_steps_before_are_tried(tmp_path: Path) -> None:
    steps = [COPY, {"id": "stop", "run": ["false"]}]
    scenario = {**SCENARIO, "outcome": "diverged", "at": "stop", "expect": [SAME]}
    strength = graded(package(tmp_path, files=IN, steps=steps, scenarios=[scenario]))
    assert {mutant.step for mutant in strength.mutants} == {"copy"}
    assert {mutant.status for mutant in strength.mutants} == {"caught"}


def test_a_file_that_changes_while_no_step_is_carried_out_is_a_services_own(tmp_path: Path) -> None:
    made = package(tmp_path, steps=[{"id": "a", "run": ["true"]}, {"id": "b", "run": ["true"]}])
    first, second = made.manifest.steps
    box, observer, result = MemorySandbox(), Observer(), ActionResult(result={})
    for step in (first, second):
        observer.begins(step, box)
        box.files |= {"work/log": f"begins {step.id}".encode(), f"work/{step.id}": b"made"}
        observer.acted(step, box, result)
        box.files["work/log"] += b", written between the steps"
    assert [effect.changed for effect in observer.effects] == [["work/a"], ["work/b"]]
    mutant_of_a = MutantRecord.model_validate({"kind": "undo", "step": "a", "how": "undone", "scenario": "s"})
    spoiler = Spoiler(mutant_of_a, observer.effects[0], [], [])
    box = MemorySandbox()
    box.files["work/log"] = b"before"
    spoiler.begins(first, box)
    box.files |= {"work/log": b"after", "work/a": b"made"}
    spoiler.acted(first, box, result)
    assert (spoiler.was_applied, box.files) == (True, {"work/log": b"after"})


def test_above_the_limit_a_sample_is_tried_that_is_always_the_same(tmp_path: Path) -> None:
    made = package(tmp_path, files=IN, steps=[{**COPY, "expect": [SAME]}], scenarios=[SCENARIO])
    first, second = graded(made, mutants=2), graded(made, mutants=2)
    assert statuses(first) == statuses(second)
    assert (first.n, first.made, first.is_sample) == (2, 5, True)
    assert summary(first).endswith("These are a sample of the 5 there can be.")


def test_without_time_nothing_is_concluded(tmp_path: Path) -> None:
    made = package(tmp_path, files=IN, steps=[{**COPY, "expect": ["file('work/out').exists"]}], scenarios=[SCENARIO])
    strength = graded(made, seconds=0)
    assert (strength.n, strength.grade(), strength.is_conclusive) == (0, "unknown", False)
    assert set(statuses(strength).values()) == {"untried"}


def test_a_scenario_that_ends_otherwise_the_next_time_is_not_graded(tmp_path: Path) -> None:
    made = package(tmp_path, files=IN, steps=[{**COPY, "expect": [SAME]}], scenarios=[SCENARIO])
    verdict = prove(made, made.manifest.scenarios[0], driver=driver(), environment=debian())
    broken = package(tmp_path, files=IN, steps=[{"id": "copy", "run": ["false"]}], scenarios=[SCENARIO])
    strength = grade(broken, [verdict], driver=driver(), environment=debian())
    assert (strength.ungraded, strength.n, strength.grade()) == (["works"], 0, "unknown")


# --- figures


def test_the_interval_is_wilsons() -> None:
    # Newcombe 1998, table I, method 3.
    assert [round(end, 4) for end in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(end, 4) for end in wilson(15, 148)] == [0.0624, 0.1605]
    assert [round(end, 4) for end in wilson(0, 20)] == [0.0, 0.1611]
    assert [round(end, 4) for end in wilson(1, 29)] == [0.0061, 0.1718]
    assert wilson(0, 0) == (0.0, 1.0)
    assert round(wilson(1, 1)[0], 4) == 0.2065


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(trial: tuple[int, int]) -> None:
    hits, n = trial
    lower, upper = wilson(hits, n)
    assert 0 <= lower <= hits / n <= upper <= 1
    assert math.isclose(lower, 1 - wilson(n - hits, n)[1], abs_tol=1e-9)


@pytest.mark.parametrize(
    ("caught", "n", "word"),
    [(0, 0, "unknown"), (1, 1, "fair"), (1, 2, "weak"), (2, 3, "fair"), (8, 20, "fair"), (7, 20, "weak"),
     (11, 11, "fair"), (12, 12, "strong"), (0, 1, "weak")],
)  # fmt: skip
def test_the_grade_goes_by_the_lower_bound(caught: int, n: int, word: str) -> None:
    assert figures(caught, n).grade() == word


def test_what_we_could_not_try_condemns_nobody() -> None:
    strength = figures(1, 4)
    assert strength.grade() == "weak"
    strength.mutants += [mutant("untried")] * 20
    assert strength.grade() == "unknown"
    trouble = figures(1, 4)
    trouble.mutants += [mutant("void")] * 5
    assert trouble.grade() == "unknown"
    assert (trouble.n, trouble.caught) == (4, 1)


def mutant(status: str) -> MutantRecord:
    return MutantRecord.model_validate(
        {"kind": "omit", "step": "a", "how": "left_out", "scenario": "s", "status": status}
    )


def figures(caught: int, n: int) -> Strength:
    return Strength(made=n, mutants=[mutant("caught")] * caught + [mutant("survived")] * (n - caught))


def test_a_mutant_is_told_in_one_sentence() -> None:
    assert sentence(mutant("survived")) == "Step 'a' was left out and claimed success."
    assert summary(figures(11, 12)) == "11 of 12 wrong effects were noticed: 92 % (95 % interval 65 to 99 %)."


# --- wrong contents


@given(st.binary(max_size=200))
def test_one_byte_is_changed_and_nothing_else(content: bytes) -> None:
    wrong = with_byte_changed(content)
    if wrong is None:
        assert not content.strip(b"\0")
    else:
        assert len(wrong) == len(content)
        assert sum(one != other for one, other in zip(content, wrong, strict=True)) == 1


@given(st.text("0123456789abcdef", min_size=1, max_size=64))
def test_a_digest_stays_one_in_form(text: str) -> None:
    wrong = wrong_value(text)
    assert wrong != text
    assert set(wrong) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("value", "wrong"),
    [(True, False), (3, 4), (1.5, 2.5), ("", None), ("-9", "-0"), ("B-", "C-"), ("--", "-,"), (None, None), ([], None), ([1, 2], [1]),
     ({"a": 1, "b": 2}, {"a": 1}), ("日本", "日?"), ("日本9", "日本0")],
)  # fmt: skip
def test_a_wrong_value_has_the_same_form(value: Any, wrong: Any) -> None:
    assert wrong_value(value) == wrong

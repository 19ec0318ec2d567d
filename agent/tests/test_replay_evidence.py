"""What a run leaves to look at: masked, bounded, and comparable with another run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replays import package, proven, replayed

from keiken.checks.operands import operands
from keiken.replay.comparing import differences
from keiken.replay.evidence import (
    EVIDENCE_BYTES,
    CheckSeen,
    Evidence,
    FileSeen,
    StepSeen,
    Value,
    bounded,
    outcome_digest,
)

MAKE = {
    "id": "make",
    "shell": "printf abc > work/a; echo made",
    "expect": ["file('work/a').size == 3 && result.stdout.contains('made')"],
    "outputs": {"bytes": "file('work/a').size"},
}
DROP = {"id": "drop", "run": ["rm", "${{ parameters.path }}"], "expect": ["!file('work/a').exists"]}
SCENARIO = {"name": "sample", "expect": ["files('work/**').size() == 0"]}
ABC = "sha256:" + hashlib.sha256(b"abc").hexdigest()


def seen(folder: Path, **manifest: Any) -> Evidence:
    manifest.setdefault("scenarios", [{"name": "sample"}])
    evidence = proven(package(folder, **manifest)).evidence
    assert evidence is not None
    return evidence


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def test_each_step_tells_its_words_checks_files_and_use(folder: Path) -> None:
    run = seen(folder, steps=[MAKE, DROP], parameters={"path": {"default": "work/a"}}, scenarios=[SCENARIO])
    make, drop = run.steps
    assert run.outcome == "succeeded"
    assert make.argv == ["sh", "-c", MAKE["shell"]]
    assert drop.argv == ["rm", "work/a"]
    assert (make.status, make.exit_code, make.attempts) == ("succeeded", 0, 1)
    assert [(value.name, value.shown) for value in make.checks[1].values] == [
        ("file('work/a').size", "3"),
        ("result.stdout", '"made\\n"'),
    ]
    assert [(value.name, value.shown) for value in make.outputs] == [("bytes", "3")]
    assert [(f.path, f.change, f.before, f.after, f.size, f.mode) for f in make.files] == [
        ("work/a", "made", "", ABC, 3, "0644")
    ]
    assert [(f.path, f.change, f.before, f.after, f.size) for f in drop.files] == [("work/a", "removed", ABC, "", 3)]
    assert [(check.kind, check.holds, check.values[0].shown) for check in run.checks] == [("scenario", True, "0")]
    for step in (make, drop):
        assert step.cpu_seconds is not None
        assert 0 < step.cpu_seconds < 5


def test_a_step_that_uses_more_is_seen_to_use_more(folder: Path) -> None:
    work = "x = bytearray(80_000_000); sum(i * i for i in range(6_000_000))"
    steps = [{"id": "little", "run": ["true"]}, {"id": "much", "run": ["python3", "-c", work]}]
    run = seen(folder, steps=[*steps, {"id": "less", "run": ["true"]}])
    little, much, less = run.steps
    assert much.cpu_seconds > 10 * max(little.cpu_seconds, less.cpu_seconds, 0.001)
    if much.peak_memory_bytes is not None:
        assert much.peak_memory_bytes > 80_000_000
        assert max(little.peak_memory_bytes, less.peak_memory_bytes) < 80_000_000


def test_a_report_does_not_carry_the_evidence(folder: Path) -> None:
    made = package(folder, steps=[MAKE])
    fields = json.loads(replayed(made).model_dump_json())
    assert set(fields["steps"][0]["checks"][0]) == {"kind", "expression", "holds", "detail"}
    assert "files" not in fields["steps"][0]


def test_the_same_twice_has_the_same_digest_and_times_do_not_count(folder: Path) -> None:
    steps = [MAKE, {"id": "wait", "run": ["true"], "expect": ["result.duration_seconds < 60.0"]}]
    one, other = seen(folder, steps=steps), seen(folder, steps=steps)
    assert one.replay_id != other.replay_id
    assert one.outcome_digest == other.outcome_digest
    assert differences(one, other) == []


def test_what_differs_between_runs_is_told_by_step_with_both_values(folder: Path) -> None:
    draw = {
        "id": "draw",
        "shell": "od -An -N8 -tx8 /dev/urandom | tee work/number",
        "outputs": {"number": "result.stdout.trim()"},
    }
    one, other = seen(folder, steps=[MAKE, draw]), seen(folder, steps=[MAKE, draw])
    found = differences(one, other)
    assert one.outcome_digest != other.outcome_digest
    assert [(item.step, item.what, item.name) for item in found] == [
        ("draw", "output", "number"),
        ("draw", "file", "work/number"),
    ]
    assert found[0].one == one.steps[1].outputs[0].shown != found[0].other == other.steps[1].outputs[0].shown
    assert found[1].one == f"made {one.steps[1].files[0].after[:31]}… 0644"


PIN = "x7734x"


@pytest.mark.parametrize(
    "script",
    [
        'printf %s "$PIN" > work/pin; printf %s "$PIN" | sha256sum | cut -c1-64 > work/sum; sleep 0',
        'printf %s "$PIN" | base64 > work/pin; echo "pin is $PIN"',
        "mkdir work/$PIN; echo 1 > work/$PIN/a",
    ],
)
def test_no_secret_and_no_digest_of_one_is_told(folder: Path, script: str) -> None:
    step = {
        "id": "use",
        "shell": script,
        "env": {"PIN": "${{ secrets.pin }}"},
        "expect": ["files('work/**').all(f, file(f).sha256 != result.stdout)", "file('work/pin').sha256 != 'a'"],
        "outputs": {"said": "result.stdout", "sum": "file('work/pin').sha256"},
    }
    run = seen(folder, steps=[step], secrets=["pin"], scenarios=[{"name": "sample", "secrets": {"pin": PIN}}])
    told = run.model_dump_json()
    assert PIN not in told
    for written in (PIN, f"{PIN}\n", "eDc3MzR4", "eDc3MzR4\n"):
        assert hashlib.sha256(written.encode()).hexdigest() not in told
        named = json.dumps(hashlib.sha256(written.encode()).hexdigest())
        assert hashlib.sha256(named.encode()).hexdigest() not in told
    if (files := [file for file in run.steps[0].files if file.path == "work/pin"]) != []:
        assert files[0].holds_secret


def test_a_secret_spread_over_words_is_masked(folder: Path) -> None:
    step = {"id": "say", "run": ["echo", "ab", "cdef"]}
    run = seen(folder, steps=[step], secrets=["pin"], scenarios=[{"name": "sample", "secrets": {"pin": "ab cdef"}}])
    assert run.steps[0].argv == ["echo\n[secret pin]"]


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("file('a').size > 5", ["file('a').size"]),
        ("(result.exit_code == 0)", ["result.exit_code"]),
        ("!file('a').exists && 'x' in result.stdout", ["file('a').exists", "result.stdout"]),
        ("file('a').text.contains('x') || file('b').exists", ["file('a').text", "file('b').exists"]),
        ("files('**').all(f, f != 'x')", ["files('**')"]),
        ("parameters.a == parameters.b", ["parameters.a", "parameters.b"]),
        ("result.stdout == result.stdout", ["result.stdout"]),
        ("port(80).open ? true : result.exit_code == 1", ["port(80).open ? true : result.exit_code == 1"]),
        ("result.duration_seconds < 3.0", []),
        ("true", []),
        ("!(1 == 2)", []),
    ],
)
def test_the_parts_of_a_check_whose_values_tell_something(expression: str, parts: list[str]) -> None:
    assert operands(expression) == parts


def large(count: int, size: int) -> Evidence:
    values = [Value(name=f"v{n}", shown="x" * 200, digest=ABC) for n in range(8)]
    checks = [CheckSeen(kind="expect", expression="e" * size, holds=True, values=values) for _n in range(20)]
    files = [FileSeen(path=f"work/{n}/" + "p" * size, change="made", after=ABC) for n in range(200)]
    step = {"action": "run", "status": "succeeded", "argv": ["w" * 1000] * 50, "checks": checks, "files": files}
    return Evidence(replay_id="r", outcome="succeeded", steps=[StepSeen(id=f"s{n}", **step) for n in range(count)])


@pytest.mark.parametrize(("count", "size"), [(1, 10), (20, 100), (200, 200)])
def test_evidence_is_bounded_and_its_digest_is_over_all_of_it(count: int, size: int) -> None:
    whole = large(count, size)
    kept = bounded(whole)
    assert len(kept.model_dump_json().encode()) <= EVIDENCE_BYTES
    assert kept.is_shortened == (count > 1)
    assert [step.id for step in kept.steps] == [step.id for step in whole.steps]
    told = {len(step.files) + step.files_left_out for step in kept.steps}
    assert told == {200}


texts = st.text(max_size=5)
values = st.lists(
    st.builds(Value, name=st.sampled_from("ab"), shown=texts, digest=texts), max_size=2, unique_by=lambda v: v.name
)
checks = st.lists(
    st.builds(CheckSeen, kind=st.just("expect"), expression=st.sampled_from("xy"), holds=st.booleans(), values=values),
    max_size=2, unique_by=lambda c: c.expression,
)  # fmt: skip
steps = st.lists(
    st.builds(
        StepSeen, id=st.sampled_from("mn"), action=st.just("run"), status=st.sampled_from(["succeeded", "failed"]),
        exit_code=st.sampled_from([None, 0, 1]), checks=checks, outputs=values, duration_seconds=st.floats(0, 9),
        files=st.lists(
            st.builds(FileSeen, path=st.sampled_from("pq"), change=st.sampled_from(["made", "removed"]), after=texts),
            max_size=2, unique_by=lambda f: f.path),
    ), max_size=2, unique_by=lambda s: s.id,
)  # fmt: skip
runs = st.builds(
    Evidence, replay_id=texts, outcome=st.sampled_from(["succeeded", "failed"]), steps=steps, result=values
)


@given(runs, runs)
def test_runs_differ_in_something_named_exactly_when_their_digests_do(one: Evidence, other: Evidence) -> None:
    one, other = (run.model_copy(update={"outcome_digest": outcome_digest(run)}) for run in (one, other))
    found = differences(one, other)
    assert (found == []) == (one.outcome_digest == other.outcome_digest)
    assert differences(one, one) == []
    assert {(item.step, item.what, item.name) for item in found if item.one and item.other} == {
        (item.step, item.what, item.name) for item in differences(other, one) if item.one and item.other
    }

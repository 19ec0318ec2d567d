"""Retrying never repeats an effect that the step did not allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from memory_replays import run
from memory_sandbox import MemorySandbox, ran


def _flaky(after: int) -> tuple[MemorySandbox, list[int]]:
    count = [0]

    def command(_box: MemorySandbox, _argv: Sequence[str], _env: Mapping[str, str]) -> Any:
        count[0] += 1
        return ran(0 if count[0] > after else 1)

    return MemorySandbox({"echo": command}), count


def test_a_step_without_retry_is_tried_once(tmp_path: Path) -> None:
    box, count = _flaky(1)
    report, _box = run(tmp_path, box, steps=[{"id": "a", "run": ["echo"]}])
    assert (report.outcome, count) == ("diverged", [1])


ABSENT = ["!file('work/out').exists"]
QUICK = {"attempts": 3, "delay_seconds": 0.01}


def test_a_step_that_declares_it_is_tried_again_and_says_so(tmp_path: Path) -> None:
    box, count = _flaky(2)
    report, _box = run(tmp_path, box, steps=[{"id": "a", "run": ["echo"], "requires": ABSENT, "retry": QUICK}])
    assert (report.outcome, count, report.steps[0].attempts) == ("succeeded", [3], 3)
    assert report.steps[0].reason.startswith("attempt 1: ")
    assert "attempt 2: " in report.steps[0].reason
    assert [(check.kind, check.holds) for check in report.steps[0].checks] == [("requires", True), ("expect", True)]


def _appending(exit_code: int, *, then: str = "") -> MemorySandbox:
    """A command with an effect that must not happen twice; ``then`` appears a moment after it."""

    def command(box: MemorySandbox, _argv: Sequence[str], _env: Mapping[str, str]) -> Any:
        box.files["work/ledger"] = box.files.get("work/ledger", b"") + b"paid\n"
        if then:
            box.files["work/out"] = b""
        return ran(exit_code)

    return MemorySandbox({"echo": command})


def test_without_requires_an_effect_is_never_repeated(tmp_path: Path) -> None:
    report, box = run(tmp_path, _appending(1), steps=[{"id": "a", "run": ["echo"], "retry": QUICK}])
    assert (report.outcome, report.code, report.steps[0].attempts) == ("diverged", "check_failed", 1)
    assert box.files["work/ledger"] == b"paid\n"
    assert "no 'requires' of the step says that its effect is not there" in report.reason


def test_when_requires_say_that_the_effect_is_there_it_is_not_repeated(tmp_path: Path) -> None:
    step = {"id": "a", "run": ["echo"], "requires": ABSENT, "retry": QUICK}
    report, box = run(tmp_path, _appending(1, then="work/out"), steps=[step])
    assert (report.outcome, report.steps[0].attempts) == ("diverged", 1)
    assert box.files["work/ledger"] == b"paid\n"
    assert "this does not hold any more: !file('work/out').exists" in report.reason


def test_what_is_not_carried_out_again_is_looked_at_again(tmp_path: Path) -> None:
    box = _appending(0)
    looks = [0]
    paths = box.read

    def read(path: str) -> Any:
        # As a service that listens only a moment after it was started.
        if path == "work/ready":
            looks[0] += 1
            if looks[0] == 3:
                box.files["work/ready"] = b""
        return paths(path)

    box.read = read  # type: ignore[method-assign]
    retry = {"attempts": 5, "delay_seconds": 0.01}
    report, _box = run(tmp_path, box, steps=[{"id": "a", "run": ["echo"], "retry": retry,
                                              "expect": ["file('work/ready').exists"]}])  # fmt: skip
    assert (report.outcome, report.steps[0].attempts) == ("succeeded", 1), report.reason
    assert box.files["work/ledger"] == b"paid\n"
    assert "it was not carried out again" in report.steps[0].reason


@pytest.mark.parametrize("reason", ["timeout", "killed"])
def test_an_action_that_was_stopped_may_have_done_its_work(tmp_path: Path, reason: Any) -> None:
    def command(box: MemorySandbox, _argv: Sequence[str], _env: Mapping[str, str]) -> Any:
        box.files["work/ledger"] = box.files.get("work/ledger", b"") + b"paid\n"
        return ran(137, reason=reason)

    box = MemorySandbox({"echo": command})
    report, _box = run(tmp_path, box, steps=[{"id": "a", "run": ["echo"], "retry": QUICK}])
    assert (report.outcome, report.code, report.steps[0].attempts) == ("failed", reason, 1)
    assert box.files["work/ledger"] == b"paid\n"


@pytest.mark.parametrize(
    ("method", "attempts"), [("GET", 3), ("HEAD", 3), ("PUT", 3), ("DELETE", 3), ("POST", 1), ("PATCH", 1)]
)
def test_only_a_request_that_is_idempotent_is_sent_again_without_requires(
    tmp_path: Path, method: str, attempts: int
) -> None:
    step = {"id": "a", "http": {"method": method, "url": "http://localhost:8080/"}, "retry": QUICK}
    report, box = run(tmp_path, steps=[step])
    assert (report.code, report.steps[0].attempts) == ("not_reached", attempts)
    assert box.calls.count("connect localhost:8080") == attempts


def test_what_is_not_permitted_is_not_tried_again(tmp_path: Path) -> None:
    retry = {"attempts": 5, "delay_seconds": 0.01}
    fields = {
        "parameters": {"command": {"type": "string"}},
        "steps": [{"id": "a", "run": ["${{ parameters.command }}"], "retry": retry, "expect": ["result.error != ''"]}],
    }
    report, box = run(tmp_path, request={"parameters": {"command": "curl"}}, **fields)
    assert (report.outcome, report.code, report.steps[0].attempts) == ("failed", "command_not_permitted", 1)
    assert box.calls == ["close"]

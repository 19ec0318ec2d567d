"""The order of events in a replay, and how each of them ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from memory_replays import COMMANDS, FACTS, run, statuses
from memory_sandbox import MemorySandbox, ran
from replays import package

from keiken.errors import SandboxUnavailable
from keiken.replay.engine import replay
from keiken.replay.request import Replay
from keiken.sandbox.protocol import FileState

# --- refusals: nothing is touched


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str, list[str]]] = [
    ({"conditions": {"tool.openssl": ">=4", "os.id": ["fedora"], "os.family": "linux"}}, {}, "condition_unmet",
     ["tool.openssl >=4 (found: 3.0.2)", "os.id is one of fedora (found: debian)"]),
    ({"conditions": {"tool.nginx": ">=1"}}, {}, "condition_unmet", ["tool.nginx >=1 (found: unknown)"]),
    ({"parameters": {"days": {"type": "integer"}, "name": {"type": "string"}}}, {}, "parameter_missing",
     ["'days'", "'name'", "-p days=… -p name=…"]),
    ({"parameters": {"days": {"type": "integer", "maximum": 9}}}, {"parameters": {"days": 10}}, "parameter_invalid",
     ["'days'", "10 is greater than the maximum of 9"]),
    ({"parameters": {"host": {"type": "string", "format": "hostname"}}}, {"parameters": {"host": "a b"}},
     "parameter_invalid", ["'host'", "'a b' is not a 'hostname'"]),
    ({}, {"parameters": {"dayz": 1}}, "parameter_unknown", ["'dayz'", "It takes: none."]),
    ({"secrets": ["token"]}, {}, "secret_missing", ["'token'", "KEIKEN_SECRET_TOKEN"]),
    ({"secrets": ["token"]}, {"secrets": {"token": "abc"}}, "secret_too_short", ["'token'"]),
    ({}, {"secrets": {"token": "abcdef"}}, "secret_unknown", ["'token'"]),
    ({"steps": [{"id": "a", "run": ["curl", "x"]}]}, {}, "permission_missing", ["'a'", "'curl'"]),
    ({"steps": [{"id": "a", "file": {"write": "assets/x", "content": ""}}]}, {}, "permission_missing", ["assets/x"]),
    ({"steps": [{"id": "a", "http": {"url": "https://example.com/"}}]}, {}, "permission_missing",
     ["example.com:443"]),
]  # fmt: skip


@pytest.mark.parametrize(("manifest", "request_", "code", "named"), REFUSALS)
def test_a_refusal_names_what_is_wrong_and_opens_no_sandbox(
    tmp_path: Path, manifest: dict[str, Any], request_: dict[str, Any], code: str, named: list[str]
) -> None:
    fields = {"steps": [{"id": "a", "run": ["touch", "work/canary"]}], **manifest}
    report, box = run(tmp_path, request=request_, **fields)
    assert (report.outcome, report.code) == ("refused", code)
    for word in named:
        assert word in f"{report.reason} {report.advice}"
    assert statuses(report) == ["not_run"]
    assert box.calls == []
    assert report.executor is None


def test_no_sandbox_is_a_refusal_before_the_first_step(tmp_path: Path) -> None:
    def executor() -> MemorySandbox:
        raise SandboxUnavailable("no_working_sandbox", "No sandbox works.", "Install bubblewrap.")

    made = package(tmp_path, steps=[{"id": "a", "run": ["touch", "work/a"]}])
    report = replay(Replay(package=made, executor=executor, facts=FACTS))
    assert (report.outcome, report.code, report.advice) == ("refused", "no_working_sandbox", "Install bubblewrap.")
    assert statuses(report) == ["not_run"]


@pytest.mark.parametrize("value", ["-rf", "--version", "-o/etc/passwd"])
def test_a_value_that_would_be_taken_for_an_option_is_refused_beforehand(tmp_path: Path, value: str) -> None:
    step = {"id": "a", "run": ["touch", "${{ parameters.name }}"]}
    fields = {"parameters": {"name": {"type": "string"}}, "steps": [step]}
    report, box = run(tmp_path, request={"parameters": {"name": value}}, **fields)
    assert (report.outcome, report.code, box.calls) == ("refused", "parameter_invalid", [])
    assert "begins with '-'" in report.reason


@pytest.mark.parametrize(
    ("words", "value", "call"),
    [
        (["echo", "--", "${{ parameters.v }}"], "-rf", "echo -- -rf"),
        (["echo", "--name=${{ parameters.v }}"], "-rf", "echo --name=-rf"),
        (["echo", "-n", "${{ parameters.v }}"], -5, "echo -n -5"),
        (["echo", "${{ parameters.v }}"], "a;b", "echo a;b"),
    ],
)
def test_a_dash_is_allowed_where_it_cannot_be_an_option(
    tmp_path: Path, words: list[str], value: Any, call: str
) -> None:
    fields = {"parameters": {"v": {}}, "steps": [{"id": "a", "run": words}]}
    report, box = run(tmp_path, request={"parameters": {"v": value}}, **fields)
    assert report.outcome == "succeeded"
    assert box.calls[0] == call


def test_a_value_of_an_earlier_step_that_looks_like_an_option_fails_there(tmp_path: Path) -> None:
    steps = [
        {"id": "a", "run": ["echo", "--", "-rf"], "outputs": {"x": "'-rf'"}},
        {"id": "b", "run": ["echo", "${{ steps.a.outputs.x }}"]},
    ]
    report, box = run(tmp_path, steps=steps)
    assert (report.outcome, report.code, statuses(report)) == ("failed", "value_not_usable", ["succeeded", "failed"])
    assert box.calls == ["echo -- -rf", "close"]


# --- order


def test_a_replay_goes_from_check_to_check_and_reports_each(tmp_path: Path) -> None:
    events: list[tuple[str, str, str]] = []
    report, box = run(
        tmp_path,
        request={"on_event": lambda what, record: events.append((what, record.id, record.status))},
        parameters={"name": {"type": "string", "default": "x"}},
        steps=[
            {"id": "make", "run": ["touch", "work/${{ parameters.name }}"], "requires": ["!file('work/x').exists"],
             "expect": ["file('work/x').size == 4"], "outputs": {"path": "'work/' + parameters.name"}},
            {"id": "never", "run": ["touch", "work/never"], "when": "parameters.name == 'y'"},
            {"id": "say", "run": ["echo", "${{ steps.make.outputs.path }}"]},
        ],
        invariants=["!file('work/never').exists"],
        result={"path": "steps.make.outputs.path"},
    )  # fmt: skip
    assert report.outcome == "succeeded"
    assert (report.code, report.reason, report.result) == ("", "", {"path": "work/x"})
    assert box.calls == ["touch work/x", "echo work/x", "close"]
    assert statuses(report) == ["succeeded", "skipped", "succeeded"]
    assert [(check.kind, check.holds) for check in report.steps[0].checks] == [
        ("requires", True), ("expect", True), ("expect", True), ("invariant", True),
    ]  # fmt: skip
    assert report.steps[0].changed == ["+ work/x"]
    assert report.steps[2].stdout == "work/x\n"
    assert report.steps[2].command == "echo work/x"
    assert events == [
        ("started", "make", "not_run"), ("ended", "make", "succeeded"),
        ("started", "never", "not_run"), ("ended", "never", "skipped"),
        ("started", "say", "not_run"), ("ended", "say", "succeeded"),
    ]  # fmt: skip


DIVERGENCES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"run": ["touch", "work/a"], "requires": ["file('work/z').exists"]},
        "precondition_failed",
        "file('work/z').exists",
    ),
    ({"run": ["touch", "work/a"], "expect": ["file('work/a').size > 9"]}, "check_failed", "file('work/a').size is 4"),
    ({"run": ["false"]}, "check_failed", "result.exit_code is 1"),
    ({"run": ["touch", "work/a"], "outputs": {"x": "parameters.nope"}}, "check_failed", "'x'"),
    ({"run": ["touch", "work/a"], "expect": ["file('work/b').text == ''"]}, "check_failed", "does not exist"),
    ({"run": ["touch", "work/bad"]}, "invariant_failed", "work/bad"),
    ({"ask": "Is it announced?"}, "declined", "Is it announced?"),
]


@pytest.mark.parametrize(("step", "code", "named"), DIVERGENCES)
def test_a_false_check_stops_the_replay_there(tmp_path: Path, step: dict[str, Any], code: str, named: str) -> None:
    report, box = run(
        tmp_path,
        request={"answer": lambda _step, _question: False},
        steps=[{"id": "first", **step}, {"id": "later", "run": ["touch", "work/later"]}],
        invariants=["!file('work/bad').exists"],
    )
    assert (report.outcome, report.code) == ("diverged", code)
    assert named in report.reason
    assert statuses(report) == ["diverged", "not_run"]
    assert "work/later" not in box.files
    assert box.calls[-1] == "close"


@pytest.mark.parametrize(
    ("when", "named"), [("parameters.nope > 3", "there is no 'nope'"), ("'yes'", "neither true nor false")]
)
def test_a_step_is_never_left_out_by_mistake(tmp_path: Path, when: str, named: str) -> None:
    report, box = run(tmp_path, steps=[{"id": "a", "run": ["touch", "work/a"], "when": when}])
    assert (report.outcome, report.code, statuses(report)) == ("diverged", "check_failed", ["diverged"])
    assert named in report.reason
    assert box.calls == ["close"]


def test_a_step_whose_precondition_fails_is_not_carried_out(tmp_path: Path) -> None:
    step = {"id": "a", "run": ["touch", "work/a"], "requires": ["file('work/z').exists"]}
    report, box = run(tmp_path, request={"undo": "on_divergence"}, steps=[step], undo=[{"id": "u", "run": ["false"]}])
    assert box.calls == ["close"]
    assert report.steps[0].attempts == 0
    assert report.undo == []


def test_a_check_that_speaks_of_the_exit_code_takes_the_place_of_the_implied_one(tmp_path: Path) -> None:
    report, _box = run(tmp_path, steps=[{"id": "a", "run": ["false"], "expect": ["result.exit_code == 1"]}])
    assert report.outcome == "succeeded"
    again, _box = run(tmp_path, steps=[{"id": "a", "run": ["false"], "expect": ["result['exit_code'] in [0, 1]"]}])
    assert again.outcome == "succeeded"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("timeout", "timeout"),
        ("out_of_memory", "out_of_memory"),
        ("output_limit", "output_limit"),
        ("killed", "killed"),
    ],
)
def test_an_action_that_was_stopped_failed_whatever_its_checks_say(tmp_path: Path, reason: Any, code: str) -> None:
    box = MemorySandbox({"echo": lambda *_call: ran(137, reason=reason)})
    report, _box = run(tmp_path, box, steps=[{"id": "a", "run": ["echo"], "expect": ["result.exit_code == 137"]}])
    assert (report.outcome, report.code, statuses(report)) == ("failed", code, ["failed"])


def test_a_check_may_decide_about_an_action_that_could_not_be_carried_out(tmp_path: Path) -> None:
    steps = [
        {"id": "down", "http": {"url": "http://localhost:8080/"}, "expect": ["result.error == 'not_reached'"]},
        {"id": "gone", "run": ["rm"], "expect": ["result.error == 'command_not_found'"]},
        {"id": "up", "http": {"url": "http://localhost:8080/"}},
    ]
    report, _box = run(tmp_path, steps=steps)
    assert (report.outcome, report.code) == ("failed", "not_reached")
    assert statuses(report) == ["succeeded", "succeeded", "failed"]


@pytest.mark.parametrize(
    "expect",
    [
        "!result.stderr.contains('error')",
        "'error' != 'x'",
        "steps.a.outputs == {} || result.stdout == 'error'",
        "!has(parameters.error)",
    ],
)
def test_a_text_that_happens_to_say_error_decides_nothing(tmp_path: Path, expect: str) -> None:
    box = MemorySandbox({"echo": lambda *_call: ran(137, reason="timeout")})
    report, _box = run(tmp_path, box, steps=[{"id": "a", "run": ["echo"], "expect": [expect]}])
    assert (report.outcome, report.code) == ("failed", "timeout")


@pytest.mark.parametrize("expect", ["!result.stdout.contains('exit_code')", "'exit_code' == 'exit_code'"])
def test_a_text_that_happens_to_say_exit_code_takes_no_check_away(tmp_path: Path, expect: str) -> None:
    report, _box = run(tmp_path, steps=[{"id": "a", "run": ["false"], "expect": [expect]}])
    assert (report.outcome, report.code) == ("diverged", "check_failed")
    assert "result.exit_code is 1" in report.reason


@pytest.mark.parametrize("path", ["assets/x", "work/../assets/x", "/etc/passwd", "work", "work/./x", "../x", "work//x"])
def test_a_file_action_cannot_leave_what_is_declared(tmp_path: Path, path: str) -> None:
    fields = {
        "parameters": {"path": {"type": "string"}},
        "steps": [{"id": "a", "file": {"write": "${{ parameters.path }}", "content": "x"}}],
    }
    report, box = run(tmp_path, request={"parameters": {"path": path}}, **fields)
    assert (report.outcome, report.code) == ("failed", "write_not_permitted")
    assert box.calls == ["close"]
    assert box.files == {}


def test_the_final_checks_look_only_after_everything_inside_was_killed(tmp_path: Path) -> None:
    class Daemon(MemorySandbox):
        """Whoever looks while it lives is shown what they want to see."""

        def read(self, path: str) -> FileState:
            alive = "settle" not in self.calls
            return FileState(exists=alive, kind="file" if alive else "absent", size=1, mode="0644", content=b"x")

    made = package(
        tmp_path,
        steps=[{"id": "a", "run": ["echo"], "expect": ["file('work/a').exists"]}],
        scenarios=[{"name": "s", "expect": ["file('work/a').exists"]}],
    )
    box = Daemon(COMMANDS)
    report = replay(Replay(package=made, executor=lambda: box, facts=FACTS, scenario=made.manifest.scenarios[0]))
    assert (report.outcome, report.code, statuses(report)) == ("diverged", "check_failed", ["succeeded"])
    assert "the scenario" in report.reason
    assert box.calls == ["echo", "settle", "close"]


# --- undo


def test_undo_runs_where_it_was_asked_for_and_is_reported_apart(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "steps": [{"id": "a", "run": ["touch", "work/a"]}, {"id": "b", "run": ["false"]}],
        "undo": [{"id": "broken", "run": ["false"]}, {"id": "back", "file": {"remove": "work/a"}}],
    }
    report, box = run(tmp_path, **fields)
    assert (report.outcome, report.undo, "work/a" in box.files) == ("diverged", [], True)
    report, box = run(tmp_path, request={"undo": "on_divergence"}, **fields)
    assert report.outcome == "diverged"
    assert [(step.id, step.status) for step in report.undo] == [("broken", "diverged"), ("back", "succeeded")]
    assert "work/a" not in box.files
    assert "Not everything was put back: see the undo steps 'broken'." in report.advice


def test_undo_alone_runs_only_the_undo_steps(tmp_path: Path) -> None:
    report, box = run(
        tmp_path,
        request={"undo": "only", "files": {"work/a": b"left"}},
        steps=[{"id": "a", "run": ["touch", "work/a"]}],
        undo=[{"id": "back", "file": {"remove": "work/a"}, "requires": ["file('work/a').exists"]}],
        result={"x": "steps.a.outputs.nope"},
    )
    assert (report.outcome, report.result) == ("succeeded", {})
    assert statuses(report) == ["not_run"]
    assert box.calls == ["write work/a", "remove work/a", "close"]


# --- trouble of ours, and time


@pytest.mark.parametrize("before", range(180, 205, 3))
def test_half_a_secret_is_not_left_where_a_detail_is_cut(tmp_path: Path, before: int) -> None:
    secret = "hunter2-correct-horse"
    box = MemorySandbox({"echo": lambda *_call: ran(0, "x" * before + secret)})
    report, _box = run(
        tmp_path,
        box,
        request={"secrets": {"token": secret}},
        secrets=["token"],
        steps=[{"id": "a", "run": ["echo"], "expect": ["result.stdout == 'y'"]}],
    )
    assert report.outcome == "diverged"
    assert "hunte" not in report.model_dump_json()


def test_trouble_of_ours_is_an_error_whose_traceback_only_the_log_has(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_call: Any) -> Any:
        raise ZeroDivisionError("the token is hunter2-hunter2")

    box = MemorySandbox({"echo": broken})
    with caplog.at_level(logging.ERROR):
        report, _box = run(
            tmp_path,
            box,
            request={"secrets": {"token": "hunter2-hunter2"}},
            secrets=["token"],
            steps=[{"id": "a", "run": ["echo"]}],
        )
    assert (report.outcome, report.code) == ("error", "internal_error")
    assert "Traceback" not in report.model_dump_json()
    assert "ZeroDivisionError: the token is [secret token]" in caplog.text
    assert "hunter2" not in caplog.text
    assert box.calls[-1] == "close"


def test_an_interruption_by_hand_ends_in_a_report(tmp_path: Path) -> None:
    def interrupted(*_call: Any) -> Any:
        raise KeyboardInterrupt

    box = MemorySandbox({**COMMANDS, "echo": interrupted})
    steps = [{"id": "a", "run": ["touch", "work/a"]}, {"id": "b", "run": ["echo"]}]
    report, _box = run(tmp_path, box, steps=steps)
    assert (report.outcome, report.code) == ("error", "interrupted")
    assert statuses(report) == ["succeeded", "failed"]
    assert box.calls[-1] == "close"


@pytest.mark.parametrize("source", ["assets/absent", "../outside", "assets/link"])
def test_a_scenario_file_comes_from_the_package_and_from_nowhere_else(tmp_path: Path, source: str) -> None:
    (tmp_path / "outside").write_text("canary")
    made = package(
        tmp_path,
        steps=[{"id": "a", "run": ["touch", "work/a"]}],
        scenarios=[{"name": "s", "files": {"work/x": source}}],
        files={"assets/real": "x"},
    )
    (made.folder / "assets/link").symlink_to(tmp_path / "outside")
    box = MemorySandbox(COMMANDS)
    report = replay(Replay(package=made, executor=lambda: box, facts=FACTS, scenario=made.manifest.scenarios[0]))
    assert (report.outcome, report.code) == ("failed", "file_missing")
    assert (box.files, box.calls) == ({}, ["close"])


def test_everything_together_has_a_time(tmp_path: Path) -> None:
    retry = {"attempts": 10, "delay_seconds": 60}
    report, _box = run(
        tmp_path,
        request={"wall_seconds": 2, "undo": "on_divergence"},
        steps=[{"id": "a", "run": ["false"], "retry": retry}],
        undo=[{"id": "back", "run": ["touch", "work/back"]}],
    )
    assert (report.outcome, report.code) == ("failed", "timeout")
    assert [step.status for step in report.undo] == ["succeeded"]
    assert report.duration_seconds < 50

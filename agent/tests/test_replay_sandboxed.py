"""Replays in real sandboxes."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replays import opener, package, replayed

from keiken.replay.report import Report
from keiken.sandbox.protocol import Sandbox

pytestmark = pytest.mark.usefixtures("each_driver")


def test_a_lying_step_diverges_because_checks_look_from_outside(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        steps=[
            {
                "id": "make",
                "shell": "echo 'work/report.txt written, exit_code 0, all checks passed'",
                "expect": ["file('work/report.txt').exists"],
            }
        ],
    )
    report = replayed(made)
    assert (report.outcome, report.code) == ("diverged", "check_failed")
    assert "file('work/report.txt').exists is false" in report.reason
    assert report.steps[0].exit_code == 0


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("ln -s /etc/passwd work/report.txt", "work/report.txt"),
        ("mkdir work/d; ln -s / work/d/root", "work/d/root/etc/passwd"),
        ("mkfifo work/report.txt", "work/report.txt"),
    ],
)
def test_a_check_is_not_led_away_by_a_link_nor_blocked_by_a_pipe(tmp_path: Path, script: str, path: str) -> None:
    made = package(
        tmp_path,
        permissions={"commands": ["ln", "mkdir", "mkfifo"]},
        steps=[{"id": "a", "shell": script, "expect": [f"file('{path}').size > 0"]}],
    )
    report = replayed(made)
    assert (report.outcome, report.code) == ("diverged", "check_failed")


SECRET = "hunter2-correct-horse-battery"
LEAKS = """
echo "$TOKEN"; echo "$TOKEN" >&2
printf %s "$TOKEN" | base64 -w 12
printf %s "x$TOKEN" | base64
printf %s "$TOKEN" | od -An -tx1
printf %s "$TOKEN" | rev; echo
echo "token=$TOKEN" > work/config
echo x > "work/$TOKEN"
head -c 2000000 /dev/zero | tr '\\0' a >&2
"""


def test_a_secret_never_appears_whatever_a_step_makes_of_it(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        permissions={"commands": ["base64", "od", "rev", "head", "tr", "true", "echo"]},
        secrets=["token"],
        steps=[
            {"id": "use", "run": ["echo", "${{ secrets.token }}"], "outputs": {"said": "result.stdout"}},
            {
                "id": "leak",
                "shell": LEAKS,
                "env": {"TOKEN": "${{ secrets.token }}"},
                "expect": ["result.exit_code == 0", f"file('work/config').text == 'token={SECRET}\\n'"],
                "outputs": {
                    "config": "file('work/config').text",
                    "names": "files('work/*')",
                    "map": "{result.stdout.split('\\n')[0]: 1}",
                },
            },
            {"id": "end", "run": ["true"], "expect": ["steps.use.outputs.said == 'x'"]},
        ],
    )
    seen: list[Any] = []
    report = replayed(
        made, secrets={"token": SECRET}, on_event=lambda what, record: seen.append((what, record.model_dump_json()))
    )
    assert (report.outcome, statuses(report)) == ("diverged", ["succeeded", "succeeded", "diverged"])
    everything = report.model_dump_json() + str(seen)
    for form in (
        SECRET,
        SECRET[::-1],
        base64.b64encode(SECRET.encode()).decode()[:20],
        SECRET.encode().hex(" ")[:30],
        SECRET[:12],
    ):
        assert form not in everything
    assert report.steps[0].command == "echo [secret token]"
    assert report.steps[1].outputs == {
        "config": "token=[secret token]\n",
        "names": ["work/config", "work/[secret token]"],
        "map": {"[secret token]": 1},
    }
    assert report.steps[1].changed == ["+ work/config", "+ work/[secret token]"]
    assert 'steps.use.outputs.said is "[secret token]\\n"' in report.reason


def test_half_a_secret_at_the_end_of_cut_output_is_left_out(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        permissions={"commands": ["head", "tr", "printf"]},
        secrets=["token"],
        steps=[
            {
                "id": "a",
                "shell": "head -c 990 /dev/zero | tr '\\0' x; printf '%s' \"$T\"",
                "env": {"T": "${{ secrets.token }}"},
            }
        ],
    )
    report = replayed(made, secrets={"token": SECRET}, limits={"output_kept_bytes": 1000})
    assert report.outcome == "succeeded"
    assert set(report.steps[0].stdout) == {"x"}


def statuses(report: Report) -> list[str]:
    return [step.status for step in report.steps]


def test_a_timeout_ends_the_replay_as_failed(tmp_path: Path) -> None:
    made = package(
        tmp_path, steps=[{"id": "a", "run": ["sleep", "30"], "timeout_seconds": 0.3}, {"id": "b", "run": ["true"]}]
    )
    started = time.monotonic()
    report = replayed(made)
    assert (report.outcome, report.code, statuses(report)) == ("failed", "timeout", ["failed", "not_run"])
    assert time.monotonic() - started < 25


def test_a_command_that_is_not_there_failed(tmp_path: Path) -> None:
    made = package(
        tmp_path, permissions={"commands": ["no-such-command"]}, steps=[{"id": "a", "run": ["no-such-command"]}]
    )
    report = replayed(made)
    assert (report.outcome, report.code) == ("failed", "command_not_found")


def test_what_a_step_starts_lives_on_and_ends_with_the_replay(tmp_path: Path) -> None:
    ticking = "import time\nwhile True:\n    open('work/ticks', 'a').write('.')\n    time.sleep(0.02)"
    waiting = (
        "import os, time\nwhile not os.path.exists('work/ticks') or os.stat('work/ticks').st_size < 9: time.sleep(0.02)"
    )
    made = package(
        tmp_path,
        files={"scripts/tick.py": ticking},
        steps=[
            {"id": "start", "shell": "python3 scripts/tick.py >/dev/null 2>&1 & echo $!"},
            {"id": "wait", "run": ["python3", "-c", waiting], "expect": ["file('work/ticks').size > 3"]},
        ],
        scenarios=[{"name": "s", "expect": ["file('work/ticks').size == file('work/ticks').size"]}],
    )
    opened: list[Sandbox] = []
    report = replayed(made, executor=opener(made, opened=opened), scenario=made.manifest.scenarios[0])
    assert report.outcome == "succeeded", report.reason
    # Whether the first tick fell into the first step is not the test's business.
    assert [change[2:] for change in report.steps[1].changed] == ["work/ticks"]
    assert [check.holds for check in report.checks] == [True]


def test_undo_puts_things_back_after_a_divergence(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        steps=[
            {"id": "keep", "run": ["cp", "work/site", "work/site.before"]},
            {
                "id": "change",
                "file": {"write": "work/site", "content": "new"},
                "expect": ["file('work/site').text == 'newer'"],
            },
        ],
        undo=[
            {
                "id": "back",
                "run": ["mv", "work/site.before", "work/site"],
                "expect": ["file('work/site').text == 'old'"],
            }
        ],
    )
    report = replayed(made, files={"work/site": b"old"}, undo="on_divergence")
    assert (report.outcome, statuses(report)) == ("diverged", ["succeeded", "diverged"])
    assert [(step.id, step.status, step.changed) for step in report.undo] == [
        ("back", "succeeded", ["~ work/site", "- work/site.before"])
    ]


def test_the_file_actions_write_fill_patch_and_remove(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        files={"assets/site.template": "listen {{ port }};\nname {{name}};\n"},
        parameters={"port": {"type": "integer", "default": 8080}},
        steps=[
            {"id": "write", "file": {"write": "work/a", "content": "one two two\n", "mode": "0600"},
             "expect": ["file('work/a').mode == '0600'"]},
            {"id": "patch", "file": {"patch": "work/a", "replacements": [{"find": "two", "replace": "2", "count": 2}]},
             "expect": ["file('work/a').text == 'one 2 2\\n'", "file('work/a').mode == '0600'"]},
            {"id": "fill", "file": {"template": "work/site", "source": "assets/site.template",
                                    "values": {"port": "${{ parameters.port }}", "name": "{{ port }}"}},
             "expect": ["file('work/site').text == 'listen 8080;\\nname {{ port }};\\n'"]},
            {"id": "remove", "file": {"remove": "work/a"}, "expect": ["!file('work/a').exists"]},
            {"id": "again", "file": {"patch": "work/site",
                                     "replacements": [{"find": "listen", "replace": "x", "count": 2}]}},
        ],
    )  # fmt: skip
    report = replayed(made)
    assert (report.outcome, report.code) == ("failed", "patch_does_not_fit")
    assert statuses(report) == ["succeeded"] * 4 + ["failed"]
    assert "1 times, not 2" in report.reason


HOSTILE = [
    "; touch work/pwned", "$(touch work/pwned)", "`touch work/pwned`", "\ntouch work/pwned\n",
    "' ; touch work/pwned ; '",
    '"; touch work/pwned; "', "|| touch work/pwned", "> work/pwned", "${IFS}touch${IFS}work/pwned", "\\", "-n", "*",
]  # fmt: skip


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4).map(" ".join))
def test_a_hostile_value_arrives_as_it_is_and_starts_nothing(tmp_path: Path, value: str) -> None:
    same = "result.stdout == parameters.v"
    made = package(
        tmp_path,
        parameters={"v": {"type": "string"}},
        steps=[
            {"id": "words", "run": ["printf", "--", "%s", "${{ parameters.v }}"], "expect": [same]},
            {"id": "script", "shell": 'printf %s "$V"', "env": {"V": "${{ parameters.v }}"}, "expect": [same]},
            {"id": "input", "run": ["cat"], "stdin": "${{ parameters.v }}", "expect": [same]},
        ],
        invariants=["files('work/**') == []"],
    )  # fmt: skip
    report = replayed(made, parameters={"v": value})
    assert report.outcome == "succeeded", report.reason


def test_checks_cannot_see_outside_the_job_folder(tmp_path: Path) -> None:
    for path in ("/etc/passwd", "../etc/passwd", "work/../../etc/passwd", "/job/../etc/passwd"):
        made = package(tmp_path, steps=[{"id": "a", "run": ["true"], "expect": [f"!file('{path}').exists"]}])
        report = replayed(made)
        assert (report.outcome, report.code) == ("diverged", "check_failed")
        assert "is no path below the job folder" in report.reason


def test_a_check_that_takes_too_long_stops_the_replay_and_not_the_replayer(tmp_path: Path) -> None:
    lines = "file('work/lines').lines"
    made = package(
        tmp_path,
        steps=[
            {
                "id": "a",
                "run": ["python3", "-c", "open('work/lines', 'w').write('x\\n' * 20000)"],
                "expect": [f"{lines}.all(a, {lines}.all(b, a == b))"],
            },
            {"id": "b", "run": ["true"]},
        ],
    )
    report = replayed(made)
    assert (report.outcome, report.code, statuses(report)) == ("diverged", "check_failed", ["diverged", "not_run"])
    assert "took too long or too much memory" in report.reason
    assert report.duration_seconds < 20

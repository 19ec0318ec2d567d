"""What a scenario proves, and what it does not."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from replays import package, proven
from sandboxes import debian

from keiken.errors import SandboxUnavailable
from keiken.package.manifest import Scenario
from keiken.replay.prove import judge, judge_hollow, prove
from keiken.replay.report import Report
from keiken.sandbox.bubblewrap import BubblewrapDriver
from keiken.sandbox.protocol import Limits

MAKE = {"id": "make", "shell": "echo 1 > work/a", "expect": ["file('work/a').text == '1\\n'"]}
LIE = {"id": "make", "shell": "echo 'all is well'", "expect": ["file('work/a').text == '1\\n'"]}
LAZY = {"id": "make", "run": ["true"], "expect": ["result.exit_code == 0"]}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("it works", {"steps": [MAKE]}, {}, "passed", "without the steps they did not"),
    ("it lies", {"steps": [LIE]}, {}, "failed", "does not exist"),
    ("nothing can fail", {"steps": [LAZY]}, {}, "vacuous", "prove nothing"),
    ("only the scenario looks", {"steps": [LAZY]},
     {"files": {"work/a": "assets/a"}, "expect": ["file('work/a').exists"]}, "vacuous", "prove nothing"),
    ("no step ran", {"steps": [{**MAKE, "when": "false"}]}, {}, "vacuous", "prove nothing"),
    ("a missing output is no false check",
     {"steps": [{**LAZY, "outputs": {"n": "result.stdout.size()"}},
                {"id": "next", "run": ["true"], "when": "steps.make.outputs.n + 1 == 1"}]}, {}, "vacuous", "prove nothing"),
    ("nor one that cannot be told",
     {"steps": [{**LAZY, "outputs": {"n": "int(result.stdout + '0')", "m": "json('[1]')[int(result.stdout + '0')]"}},
                {"id": "b", "run": ["echo", "1"], "outputs": {"n": "int(result.stdout.trim())"}},
                {"id": "c", "run": ["true"], "when": "steps.b.outputs.n > 0"}]}, {}, "vacuous", "prove nothing"),
    ("the scenario's check is false", {"steps": [MAKE]}, {"expect": ["file('work/b').exists"]}, "failed", "work/b"),
    ("refused as promised", {"steps": [MAKE], "conditions": {"tool.openssl": ">=1.1"}},
     {"facts": {"tool.openssl": "1.0.2"}, "outcome": "refused"}, "passed", "found: 1.0.2"),
    ("refused for a parameter", {"steps": [MAKE], "parameters": {"n": {"type": "integer"}}},
     {"parameters": {"n": "x"}, "outcome": "refused"}, "passed", "'n'"),
    ("not refused", {"steps": [MAKE]}, {"outcome": "refused"}, "failed", "should have been refused"),
    ("stopped by a check instead of refused", {"steps": [{**MAKE, "requires": ["file('work/z').exists"]}]},
     {"outcome": "refused"}, "failed", "should have been refused"),
    ("refused for another reason", {"steps": [MAKE], "conditions": {"tool.openssl": ">=1.1", "tool.nope": ">=1"}},
     {"facts": {"tool.openssl": "3.0"}, "outcome": "refused"}, "precondition_unmet", "tool.nope"),
    ("outside its conditions", {"steps": [MAKE], "conditions": {"os.id": ["fedora"]}}, {},
     "precondition_unmet", "os.id"),
    ("diverges where promised", {"steps": [LIE]}, {"outcome": "diverged", "at": "make"},
     "passed", "stopped where it must"),
    ("diverges elsewhere", {"steps": [LIE, {"id": "late", "run": ["true"]}]}, {"outcome": "diverged", "at": "late"},
     "failed", "should have stopped at 'late', but stopped at 'make'"),
    ("does not diverge", {"steps": [MAKE]}, {"outcome": "diverged"}, "failed", "should have diverged"),
    ("diverges and leaves a mess", {"steps": [LIE]}, {"outcome": "diverged", "expect": ["file('work/z').exists"]},
     "failed", "afterwards"),
    ("declined", {"steps": [{"id": "ok", "ask": "Now?"}, MAKE]},
     {"answers": {"ok": False}, "outcome": "diverged", "at": "ok"}, "passed", "declined"),
    ("answered", {"steps": [{"id": "ok", "ask": "Now?"}, MAKE]}, {"answers": {"ok": True}}, "passed", "held"),
    ("takes too long", {"steps": [{"id": "a", "run": ["sleep", "9"], "timeout_seconds": 0.2}]}, {},
     "limit_exceeded", "0.2 s"),
    ("wants too much memory", {"steps": [{"id": "a", "run": ["python3", "-c", "x = bytearray(1 << 31)"]}]}, {},
     "limit_exceeded", "memory"),
    ("uses what it did not declare",
     {"steps": [{"id": "a", "run": ["${{ parameters.c }}"]}], "parameters": {"c": {"default": "ls"}}},
     {}, "policy_violation", "'ls'"),
    ("names what it did not declare", {"steps": [{"id": "a", "run": ["ls"]}]}, {}, "policy_violation", "'ls'"),
    ("writes where it may not", {"steps": [{"id": "a", "file": {"write": "${{ parameters.p }}", "content": "x"}}],
                                 "parameters": {"p": {"default": "scripts/x"}}}, {}, "policy_violation", "scripts/x"),
    ("needs a network", {"steps": [MAKE], "permissions": {"commands": [], "network": ["example.com:443"]}}, {},
     "inconclusive", "example.com"),
    ("its secret is missing", {"steps": [MAKE], "secrets": ["token"]}, {}, "failed", "'token'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "manifest", "scenario", "verdict", "reason"), CASES, ids=[case[0] for case in CASES])
def test_the_verdict_of_a_scenario(
    tmp_path: Path, name: str, manifest: dict[str, Any], scenario: dict[str, Any], verdict: str, reason: str
) -> None:
    made = package(tmp_path, files={"assets/a": "1\n"}, **manifest, scenarios=[{"name": name, **scenario}])
    limits = Limits(memory_mib=128)
    found = proven(made, limits=limits)
    assert (found.scenario, found.verdict) == (name, verdict), found.reason
    assert reason in found.reason
    hollow = (
        {"passed": True, "vacuous": False}.get(verdict) if scenario.get("outcome", "succeeded") == "succeeded" else None
    )
    assert found.hollow_caught is hollow


def test_the_hollow_run_waits_for_no_retry(tmp_path: Path) -> None:
    steps = [{**MAKE, "retry": {"attempts": 3, "delay_seconds": 30}}]
    started = time.monotonic()
    found = proven(package(tmp_path, steps=steps, scenarios=[{"name": "x"}]))
    assert (found.verdict, found.hollow_caught) == ("passed", True)
    assert time.monotonic() - started < 20


def test_a_refused_scenario_opens_no_sandbox(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        steps=[MAKE],
        conditions={"os.id": ["fedora"]},
        scenarios=[{"name": "x", "outcome": "refused"}],
    )

    class Watched(BubblewrapDriver):
        opened = 0

        def open(self, **options: Any) -> Any:
            self.opened += 1
            return super().open(**options)

    driver = Watched()
    assert prove(made, made.manifest.scenarios[0], driver=driver, environment=debian()).verdict == "passed"
    assert driver.opened == 0


def test_without_a_sandbox_there_is_no_verdict(tmp_path: Path) -> None:
    made = package(tmp_path, steps=[MAKE], scenarios=[{"name": "x"}])

    class Broken(BubblewrapDriver):
        def open(self, **options: Any) -> Any:
            raise SandboxUnavailable("bubblewrap_missing", "Bubblewrap is not installed.", "Install it.")

    with pytest.raises(SandboxUnavailable):
        prove(made, made.manifest.scenarios[0], driver=Broken(), environment=debian())


def test_trouble_of_the_sandbox_is_an_error_and_held_against_nobody(tmp_path: Path) -> None:
    made = package(tmp_path, steps=[MAKE], scenarios=[{"name": "x"}])

    class Broken(BubblewrapDriver):
        def open(self, **options: Any) -> Any:
            raise OSError(28, "No space left on device")

    found = prove(made, made.manifest.scenarios[0], driver=Broken(), environment=debian())
    assert (found.verdict, found.report.outcome, found.report.code) == ("error", "error", "internal_error")


def test_the_scenario_pretends_facts_only_to_the_conditions(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        conditions={"tool.openssl": "<2"},
        steps=[{**MAKE, "expect": ["facts['tool.openssl'] == '1.1.1'", "file('work/a').exists"]}],
        scenarios=[{"name": "x", "facts": {"tool.openssl": "1.1.1"}}],
    )
    environment = replace(debian(), facts={**debian().facts, "tool.openssl": "3.0.2"})
    found = prove(made, made.manifest.scenarios[0], driver=BubblewrapDriver(), environment=environment)
    assert found.verdict == "passed", found.reason


def _report(outcome: str, code: str = "") -> Report:
    from datetime import UTC, datetime

    return Report.model_validate(
        {"replay_id": "1", "experience": "x", "version": "1.0.0", "digest": "", "outcome": outcome, "code": code,
         "reason": "why", "started_at": datetime.now(UTC)}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "verdict", "caught"),
    [
        ("succeeded", "vacuous", False),
        ("diverged", "passed", True),
        ("failed", "error", None),
        ("error", "error", None),
    ],
)
def test_only_a_false_check_counts_as_seeing_through_a_hollow_run(outcome: str, verdict: str, caught: Any) -> None:
    found, _reason, seen = judge_hollow(_report(outcome, "service_not_ready"))
    assert (found, seen) == (verdict, caught)


def test_an_error_of_ours_is_never_the_answer_that_was_promised() -> None:
    for promised in ("succeeded", "refused", "diverged"):
        scenario = Scenario(name="x", outcome=promised)
        assert judge(scenario, _report("error"), was_opened=False)[0] == "error"
    no_sandbox = _report("refused", "no_working_sandbox")
    assert judge(Scenario(name="x", outcome="refused"), no_sandbox, was_opened=False)[0] == "failed"

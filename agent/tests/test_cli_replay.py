"""Replaying from the command line: verified, within its conditions, confined, and reported in every case."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marketplaces
import pytest
from client_packages import write_package
from commands import keiken, keiken_json, process
from loopback import Answer
from marketplaces import KEY, Marketplace

from keiken.package import pack
from keiken.replay.report import Report

pytestmark = pytest.mark.usefixtures("working_folder")

REFERENCE = "acme/write-greeting"


@pytest.fixture
def marketplace(tmp_path: Path) -> Iterator[Marketplace]:
    """Signed in to, licensed, with one proven package."""
    with marketplaces.running() as running:
        archive = pack(write_package(tmp_path / "made"))
        running.attest(running.publish(archive, tmp_path / "unpacked"))
        running.is_granted = True
        assert keiken_json("login", "--server", running.url, KEIKEN_API_KEY=KEY).exit_code == 0
        yield running


def saved(document: dict[str, Any]) -> Report:
    """The report on disk, which must be for its owner only."""
    path = Path(document["report_file"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return Report.model_validate_json(path.read_text())


def only_shell(script: str, *commands: str, **rest: Any) -> dict[str, Any]:
    steps = [{"id": "do", "shell": script, "expect": ["result.exit_code == 0"], **rest}]
    return {"steps": steps, "permissions": {"commands": ["sh", *commands], "write": ["work/**"]}}


# --- pulled packages


def test_pull_verify_replay_report_and_rate(marketplace: Marketplace, working_folder: Path) -> None:
    out = working_folder / "out"
    ran = keiken_json("replay", REFERENCE, "-p", "who=Keiko", "--work-out", out)
    document = ran.document
    assert (ran.exit_code, document["outcome"]) == (0, "succeeded")
    assert [step["status"] for step in document["steps"]] == ["succeeded", "succeeded"]
    assert (out / "greeting.txt").read_text() == "Hello, Keiko\n"
    assert sorted(document["work_out"]) == ["draft.txt", "greeting.txt"]
    assert document["executor"]["environment"] == "local"
    assert document["executor"]["isolation"] == "namespace"
    assert [proof["environment"] for proof in document["proven_in"]] == ["debian-12"]
    report = saved(document)
    assert (report.experience, report.version, report.outcome) == (REFERENCE, "1.0.0", "succeeded")
    assert report.digest == keiken_json("pull", REFERENCE).document["digest"]

    first, again = keiken_json("report"), keiken_json("report")
    assert (first.exit_code, first.document["created"]) == (0, True)
    assert (again.exit_code, again.document["created"]) == (0, False)
    assert list(marketplace.reports) == [report.replay_id]
    assert marketplace.reports[report.replay_id] == json.loads(Path(document["report_file"]).read_text())

    rated = keiken_json("rate", REFERENCE, "--stars", "4", "--text", "Good.")
    assert (rated.exit_code, rated.document["stars"]) == (0, 4)
    assert marketplace.ratings == [{"stars": 4, "text": "Good.", "replay_id": report.replay_id}]


def test_what_was_pulled_is_replayed_without_the_network(marketplace: Marketplace) -> None:
    keiken_json("pull", REFERENCE)
    marketplace.requests.clear()
    assert keiken_json("replay", f"{REFERENCE}@1.0.0").exit_code == 0
    assert marketplace.requests == []


def test_without_a_license_nothing_is_replayed(marketplace: Marketplace, working_folder: Path) -> None:
    marketplace.is_granted = False
    ran = keiken_json("replay", REFERENCE)
    assert (ran.exit_code, ran.code) == (3, "license_required")
    assert not (working_folder / "config" / "reports").exists()


def test_what_is_proven_nowhere_is_only_replayed_when_asked_for(marketplace: Marketplace) -> None:
    marketplace.attestations.clear()
    ran = keiken_json("replay", REFERENCE)
    assert (ran.exit_code, ran.code) == (3, "no_passing_attestation")
    marketplace.attest(f"{REFERENCE}@1.0.0", "failed")
    keiken_json("pull", REFERENCE)
    assert keiken_json("replay", REFERENCE).code == "no_passing_attestation"
    assert keiken_json("replay", REFERENCE, "--allow-unverified").document["outcome"] == "succeeded"


def test_the_report_can_be_sent_at_once(marketplace: Marketplace) -> None:
    document = keiken_json("replay", REFERENCE, "--report").document
    assert document["submitted"]["created"] is True
    assert list(marketplace.reports) == [document["replay_id"]]


def test_a_report_that_cannot_be_sent_is_kept_and_told(marketplace: Marketplace) -> None:
    marketplace.faults[f"POST /experiences/{REFERENCE}/reports"] = [Answer(500, {})]
    ran = keiken_json("replay", REFERENCE, "--report")
    assert (ran.exit_code, ran.document["outcome"]) == (1, "succeeded")
    assert ran.document["submitted"]["error"]["code"] == "server_error"
    assert keiken_json("report", ran.document["replay_id"]).document["created"] is True
    assert keiken_json("report", ran.document["report_file"]).document["created"] is False


def test_nothing_is_rated_that_was_not_reported(marketplace: Marketplace) -> None:
    keiken_json("replay", REFERENCE)
    ran = keiken_json("rate", REFERENCE, "--stars", "1")
    assert (ran.exit_code, ran.code) == (1, "report_not_sent")
    assert marketplace.ratings == []


def test_a_folder_and_a_pulled_package_of_one_name_are_not_confused(
    marketplace: Marketplace, working_folder: Path
) -> None:
    write_package(working_folder / "acme" / "write-greeting", title="From the folder")
    assert keiken_json("replay", REFERENCE).document["experience"] == "write-greeting"
    keiken_json("pull", REFERENCE)
    ran = keiken_json("replay", REFERENCE)
    assert (ran.exit_code, ran.code) == (3, "reference_ambiguous")
    assert keiken_json("replay", f"./{REFERENCE}").document["experience"] == "write-greeting"
    assert keiken_json("replay", f"{REFERENCE}@1.0.0").document["experience"] == REFERENCE


# --- refusals


def test_every_unmet_condition_is_named_and_nothing_is_touched(working_folder: Path) -> None:
    conditions = {"os.family": "plan9", "tool.openssl": "<0.9", "tool.no-such-tool": {"exists": True},
                  "host.memory_mib": ">=1"}  # fmt: skip
    package = write_package(working_folder / "p", conditions=conditions)
    ran = keiken_json("replay", package, "--work-out", working_folder / "out")
    assert (ran.exit_code, ran.document["outcome"], ran.code) == (3, "refused", "condition_unmet")
    found = {item["condition"]: (item["status"], item["found"]) for item in ran.document["conditions"]}
    assert found["os.family = plan9"] == ("fails", "linux")
    assert found["tool.openssl <0.9"][0] == "fails"
    assert [status for status, _found in found.values()].count("fails") == 3
    assert {step["status"] for step in ran.document["steps"]} == {"not_run"}
    assert not (working_folder / "out").exists()
    assert saved(ran.document).outcome == "refused"
    shown = keiken("replay", package)
    assert shown.exit_code == 3
    assert "os.family = plan9" in shown.stdout
    assert "linux" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["-p", "whom=x"], "parameter_unknown", 3),
        (["-p", "who=" + "x" * 41], "parameter_invalid", 3),
        (["-p", "who"], "argument_malformed", 1),
        (["-p", "=x"], "argument_malformed", 1),
        (["-p", "who=a", "-p", "who=b"], "argument_repeated", 1),
        (["--answer", "write=yes"], "answer_unknown", 1),
        (["--secret", "token"], "secret_unknown", 1),
        (["--secret", "token=hunter2"], "secret_in_argument", 1),
        (["--file", "etc/x=SKILL.md"], "input_misplaced", 1),
        (["--file", "work/../x=SKILL.md"], "input_misplaced", 1),
        (["--file", "work/x=absent"], "input_missing", 1),
        (["--work-in", "absent"], "input_missing", 1),
        (["--environment", "no-such"], "unknown_environment", 1),
        (["--scenario", "no-such"], "scenario_unknown", 1),
        (["--scenario", "greets", "--on", "host"], "scenario_on_host", 1),
        (["--scenario", "greets", "-p", "who=x"], "scenario_has_values", 1),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else None,
)
def test_what_is_given_wrong_is_refused_before_anything_runs(
    working_folder: Path, arguments: list[str], code: str, exit_code: int
) -> None:
    package = write_package(working_folder / "p")
    ran = keiken_json("replay", package, *arguments)
    assert (ran.exit_code, ran.code) == (exit_code, code)
    assert "hunter2" not in ran.stdout
    assert all(step["status"] == "not_run" for step in ran.document.get("steps", []))


def test_a_folder_with_something_in_it_is_not_written_to(working_folder: Path) -> None:
    (working_folder / "out").mkdir()
    (working_folder / "out" / "mine").write_text("important")
    for out in (working_folder / "out", working_folder / "out" / "mine"):
        assert (
            keiken_json("replay", write_package(working_folder / "p"), "--work-out", out).code == "work_out_not_empty"
        )
    assert (working_folder / "out" / "mine").read_text() == "important"


# --- outcomes


def test_a_check_that_does_not_hold_is_exit_code_4_and_can_be_undone(working_folder: Path) -> None:
    parts = only_shell("echo begun > work/mark", expect=["file('work/never').exists"])
    undo = [{"id": "back", "file": {"remove": "work/mark"}, "expect": ["!file('work/mark').exists"]}]
    package = write_package(working_folder / "p", undo=undo, **parts)
    ran = keiken_json("replay", package, "--undo-on-divergence")
    assert (ran.exit_code, ran.document["outcome"]) == (4, "diverged")
    assert [(step["id"], step["status"]) for step in ran.document["undo"]] == [("back", "succeeded")]
    assert keiken_json("replay", package).document["undo"] == []
    shown = keiken("replay", package)
    assert shown.exit_code == 4
    assert "✗ file('work/never').exists" in shown.stdout


def test_a_command_that_cannot_run_is_exit_code_5(working_folder: Path) -> None:
    steps = [{"id": "x", "run": ["no-such-command-here"], "expect": ["result.exit_code == 0"]}]
    package = write_package(working_folder / "p", steps=steps, permissions={"commands": ["no-such-command-here"]})
    ran = keiken_json("replay", package)
    assert (ran.exit_code, ran.document["outcome"]) == (5, "failed")
    assert saved(ran.document).outcome == "failed"


def test_secrets_come_from_the_environment_and_are_masked_in_what_is_told(working_folder: Path) -> None:
    parts = only_shell('printf %s "$TOKEN"; printf %s "$TOKEN" > work/token', env={"TOKEN": "${{ secrets.api_token }}"})
    scenarios = [{"name": "works", "secrets": {"api_token": "rehearsed"}}]
    package = write_package(working_folder / "p", secrets=["api_token"], scenarios=scenarios, **parts)
    missing = keiken_json("replay", package)
    assert (missing.exit_code, missing.code) == (3, "secret_missing")
    ran = keiken_json(
        "replay", package, "--work-out", working_folder / "out", KEIKEN_SECRET_API_TOKEN="hunter2-hunter2"
    )
    assert (ran.exit_code, ran.document["steps"][0]["stdout"]) == (0, "[secret api_token]")
    assert (working_folder / "out" / "token").read_text() == "hunter2-hunter2"
    assert "hunter2-hunter2" not in ran.stdout
    assert "hunter2-hunter2" not in Path(ran.document["report_file"]).read_text()


def test_questions_are_answered_beforehand_or_stop_it(working_folder: Path) -> None:
    steps = [
        {"id": "approve", "ask": "Has it been announced?", "expect": ["result.answer"]},
        {"id": "go", "file": {"write": "work/x", "content": "x"}, "expect": ["file('work/x').exists"]},
    ]
    package = write_package(working_folder / "p", steps=steps, permissions={"write": ["work/**"]})
    assert keiken_json("replay", package, "--answer", "approve=yes").exit_code == 0
    for arguments in ([], ["--answer", "approve=no"]):
        ran = keiken_json("replay", package, *arguments)
        assert (ran.exit_code, ran.document["outcome"]) == (4, "diverged")
        assert ran.document["steps"][1]["status"] == "not_run"


def test_files_are_put_into_the_work_folder_beforehand(working_folder: Path) -> None:
    (working_folder / "in" / "sub").mkdir(parents=True)
    (working_folder / "in" / "sub" / "a.txt").write_text("a")
    (working_folder / "in" / "link").symlink_to("/etc/passwd")
    (working_folder / "b.txt").write_text("b")
    parts = only_shell("cat work/sub/a.txt work/b.txt > work/both; ls work > work/names", "cat", "ls")
    package = write_package(working_folder / "p", **parts)
    out = working_folder / "out"
    arguments = [
        "--work-in",
        working_folder / "in",
        "--file",
        f"work/b.txt={working_folder / 'b.txt'}",
        "--work-out",
        out,
    ]
    assert keiken_json("replay", package, *arguments).exit_code == 0
    assert (out / "both").read_text() == "ab"
    assert "link" not in (out / "names").read_text()


def test_what_code_inside_left_cannot_reach_out_of_the_folder(working_folder: Path) -> None:
    parts = only_shell("ln -s /etc/passwd work/link; echo x > work/x; chmod 4777 work/x", "ln", "chmod")
    package = write_package(working_folder / "p", **parts)
    out = working_folder / "out"
    ran = keiken_json("replay", package, "--work-out", out)
    assert (ran.exit_code, ran.document["work_out"]) == (0, ["x"])
    assert [path.name for path in out.iterdir()] == ["x"]
    assert stat.S_IMODE((out / "x").stat().st_mode) & 0o7022 == 0


def test_undo_runs_on_what_a_replay_left(working_folder: Path) -> None:
    undo = [{"id": "back", "file": {"remove": "work/greeting.txt"}, "expect": ["!file('work/greeting.txt').exists"]}]
    package = write_package(working_folder / "p", undo=undo)
    keiken_json("replay", package, "--work-out", working_folder / "left")
    ran = keiken_json(
        "replay", package, "--undo", "--work-in", working_folder / "left", "--work-out", working_folder / "after"
    )
    assert ran.exit_code == 0
    assert [path.name for path in (working_folder / "after").iterdir()] == ["draft.txt"]


def test_a_scenario_can_be_rehearsed(working_folder: Path) -> None:
    package = write_package(working_folder / "p")
    ran = keiken_json("replay", package, "--scenario", "greets")
    assert (ran.exit_code, ran.document["scenario"], ran.document["parameters"]) == (0, "greets", {"who": "Keiko"})
    ran = keiken_json("replay", package, "--scenario", "refuses another family")
    assert (ran.exit_code, ran.document["outcome"]) == (3, "refused")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_replay_ends_everything_and_leaves_a_report(working_folder: Path, number: int) -> None:
    seconds = f"61.7{number:02}"  # a mark of its own: the other signal's turn may run beside this one
    package = write_package(working_folder / "p", **only_shell(f"echo begun; sleep {seconds}", "sleep"))
    running = process("replay", package, stderr=subprocess.PIPE)
    assert running.stderr is not None
    while b"step 1 of 1" not in (line := running.stderr.readline()):
        assert line, "it ended before its step"
    time.sleep(0.5)
    running.send_signal(number)
    shown, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"Traceback" not in said + shown
    (path,) = [path for path in (working_folder / "config" / "reports").glob("*-*.json")]
    report = Report.model_validate_json(path.read_text())
    assert (report.outcome, report.code) == ("error", "interrupted")
    assert not _is_running(seconds)


def _is_running(word: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


# --- on this machine itself


def test_this_machine_is_not_changed_without_consent(working_folder: Path) -> None:
    canary = working_folder / "canary"
    parts = only_shell(f"touch {canary}", "touch")
    parts["permissions"]["write"] = [str(working_folder / "**"), "work/**"]
    package = write_package(working_folder / "p", **parts)
    ran = keiken_json("replay", package, "--on", "host")
    assert (ran.exit_code, ran.code) == (3, "confirmation_missing")
    assert ran.document["plan"]["permissions"]["commands"] == ["sh", "touch"]
    assert [step["id"] for step in ran.document["plan"]["steps"]] == ["do"]
    assert not canary.exists()
    agreed = keiken_json("replay", package, "--on", "host", "--yes")
    assert (agreed.exit_code, agreed.document["executor"]["driver"]) == (0, "host")
    assert canary.exists()


def test_unmet_conditions_refuse_on_this_machine_before_anybody_is_asked(working_folder: Path) -> None:
    package = write_package(working_folder / "p", conditions={"os.family": "plan9"})
    ran = keiken_json("replay", package, "--on", "host", "--yes")
    assert (ran.exit_code, ran.code, ran.document["plan"]) == (3, "condition_unmet", None)


@pytest.mark.parametrize(("answer", "exit_code"), [(b"y\n", 0), (b"n\n", 3), (b"\n", 3)])
def test_a_person_sees_the_plan_and_is_asked(working_folder: Path, answer: bytes, exit_code: int) -> None:
    package = write_package(working_folder / "p")
    ours, theirs = os.openpty()
    running = process("replay", package, "--on", "host", stdin=theirs, stderr=theirs)
    said = b""
    while b"Do this on this machine?" not in said:
        said += os.read(ours, 4_000)
    assert b"cp work/draft.txt work/greeting.txt" in said
    os.write(ours, answer)
    running.communicate(timeout=60)
    assert running.returncode == exit_code
    os.close(theirs)
    os.close(ours)

"""Starting, checking and packing packages."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from client_packages import MANIFEST, write_package
from commands import keiken, keiken_json, process

from keiken.package import digest

pytestmark = pytest.mark.usefixtures("working_folder")


def tar(*names: str, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def test_a_started_package_is_proven_as_it_is(working_folder: Path) -> None:
    made = keiken_json("init", working_folder / "greet-people")
    assert (made.exit_code, made.document["name"]) == (0, "greet-people")
    ran = keiken_json("check", working_folder / "greet-people", "--environment", "local")
    assert ran.exit_code == 0
    assert ran.document["proven"] is True
    verdicts = {row["scenario"]: (row["environment"], row["verdict"]) for row in ran.document["scenarios"]}
    assert set(verdicts.values()) == {("local", "passed")}
    assert all(row["report"] is None for row in ran.document["scenarios"])


def test_it_is_proven_and_replayed_by_the_driver_that_is_named(working_folder: Path) -> None:
    keiken_json("init", working_folder / "greet-people")
    proven = keiken_json("check", working_folder / "greet-people", "--environment", "local", "--driver", "oci")
    assert proven.exit_code == 0, proven.document
    # A scenario that expects a refusal starts no sandbox.
    assert {row["driver"] for row in proven.document["scenarios"]} - {""} == {"oci"}
    unknown = keiken_json("check", working_folder / "greet-people", "--driver", "nothing")
    assert (unknown.exit_code, unknown.code) == (1, "unknown_driver")
    both = keiken_json(
        "replay", working_folder / "greet-people", "--on", "host", "--driver", "oci", "--allow-unverified"
    )
    assert both.code == "driver_without_sandbox"


def test_a_name_that_no_package_may_have_starts_nothing(working_folder: Path) -> None:
    ran = keiken_json("init", working_folder / "Not_A_Name")
    assert (ran.exit_code, ran.code) == (1, "name_invalid")
    assert not (working_folder / "Not_A_Name").exists()


def test_what_is_there_is_not_overwritten(working_folder: Path) -> None:
    (working_folder / "mine").mkdir()
    (working_folder / "mine" / "notes").write_text("important")
    assert keiken_json("init", working_folder / "mine").code == "folder_not_empty"
    assert [path.name for path in (working_folder / "mine").iterdir()] == ["notes"]


def test_the_static_part_runs_nothing(working_folder: Path) -> None:
    package = write_package(working_folder / "p")
    running = process("check", package, "--static", "--json", environ={"KEIKEN_BWRAP": "/nonexistent"})
    document = json.loads(running.communicate(timeout=60)[0])
    assert running.returncode == 0
    assert (document["proven"], document["scenarios"]) == (None, [])


def test_packing_gives_the_same_bytes_every_time(working_folder: Path) -> None:
    write_package(working_folder / "p")
    first = keiken_json("pack", working_folder / "p").document
    packed = Path(first["file"])
    assert packed.name == "write-greeting-1.0.0.tar.gz"
    assert first["digest"] == digest(packed.read_bytes())
    again = keiken_json("pack", working_folder / "p", "--out", working_folder / "again.tar.gz").document
    assert again["digest"] == first["digest"]
    assert (working_folder / "again.tar.gz").read_bytes() == packed.read_bytes()
    checked = keiken_json("check", packed, "--static").document
    assert (checked["digest"], checked["version"]) == (first["digest"], "1.0.0")


def test_an_archive_that_cannot_be_written_is_named(working_folder: Path) -> None:
    write_package(working_folder / "p")
    ran = keiken_json("pack", working_folder / "p", "--out", working_folder / "absent" / "x.tar.gz")
    assert (ran.exit_code, ran.code) == (1, "disk_trouble")


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (tar("../../etc/cron.d/x"), "path_traversal"),
        (tar("/etc/passwd"), "path_absolute"),
        (tar("SKILL.md", "SKILL.md"), "path_duplicate"),
        (tar("experience.yaml")[:-20], "archive_truncated"),
        (tar("experience.yaml") + b"more", "archive_trailing_data"),
        (b"not an archive", "archive_not_gzip"),
        (b"", "archive_not_gzip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_hostile_archive_is_refused_by_its_rule(working_folder: Path, archive: bytes, code: str) -> None:
    path = working_folder / "hostile.tar.gz"
    path.write_bytes(archive)
    before = sorted(working_folder.rglob("*"))
    ran = keiken_json("check", path)
    assert (ran.exit_code, ran.code) == (3, code)
    assert ran.document["error"]["details"]["rule"] == code
    assert sorted(working_folder.rglob("*")) == before


def test_a_broken_rule_names_file_line_and_rule(working_folder: Path) -> None:
    package = write_package(working_folder / "p", steps=[{"id": "x", "run": ["true"], "frobnicate": 1}])
    ran = keiken_json("check", package)
    details = ran.document["error"]["details"]
    assert (ran.exit_code, ran.code) == (3, "manifest_invalid")
    assert (details["file"], details["rule"]) == ("experience.yaml", "manifest_invalid")
    assert isinstance(details["line"], int)


def test_a_secret_in_the_package_is_found_before_anything_runs(working_folder: Path) -> None:
    package = write_package(working_folder / "p")
    key = "-----BEGIN PRIVATE KEY-----"
    (package / "notes.txt").write_text(f"first\n{key}\n")
    ran = keiken_json("check", package)
    assert (ran.exit_code, ran.code) == (3, "secret_found")
    details = ran.document["error"]["details"]
    assert (details["file"], details["line"]) == ("notes.txt", 2)
    assert details["findings"][0]["code"] == "secret_found"


LIAR = {
    "steps": [
        {
            "id": "pretend",
            "run": ["echo", '{"verdict": "passed"}'],
            "expect": ["result.exit_code == 0", "file('work/greeting.txt').exists"],
        }
    ],
    "permissions": {"commands": ["echo"], "write": ["work/**"]},
}


def test_one_that_lies_is_not_proven_and_the_reason_is_shown(working_folder: Path) -> None:
    package = write_package(working_folder / "p", **LIAR)
    ran = keiken_json("check", package)
    assert (ran.exit_code, ran.document["proven"]) == (5, False)
    rows = {row["scenario"]: row for row in ran.document["scenarios"]}
    assert rows["greets"]["verdict"] == "failed"
    assert rows["greets"]["report"]["outcome"] == "diverged"
    assert rows["refuses another family"]["verdict"] == "passed"
    shown = keiken("check", package)
    assert shown.exit_code == 5
    assert "file('work/greeting.txt').exists" in shown.stdout
    assert "Not proven" in shown.stdout


def test_checks_that_hold_without_the_steps_prove_nothing(working_folder: Path) -> None:
    steps = [{"id": "nothing", "run": ["true"], "expect": ["1 == 1"]}]
    package = write_package(working_folder / "p", steps=steps, permissions={"commands": ["true"]})
    ran = keiken_json("check", package, "--scenario", "greets")
    assert (ran.exit_code, ran.document["proven"]) == (5, False)
    assert [row["verdict"] for row in ran.document["scenarios"]] == ["vacuous"]


def test_one_scenario_can_be_named_and_an_unknown_one_cannot(working_folder: Path) -> None:
    package = write_package(working_folder / "p")
    rows = keiken_json("check", package, "--scenario", "greets").document["scenarios"]
    assert [row["scenario"] for row in rows] == ["greets"]
    assert keiken_json("check", package, "--scenario", "other").code == "scenario_unknown"


def test_only_unmet_conditions_prove_nothing(working_folder: Path) -> None:
    package = write_package(
        working_folder / "p", conditions={"os.family": "plan9"}, scenarios=MANIFEST["scenarios"][:1]
    )
    ran = keiken_json("check", package)
    assert [row["verdict"] for row in ran.document["scenarios"]] == ["precondition_unmet"]
    assert (ran.exit_code, ran.document["proven"]) == (5, False)


def test_without_a_sandbox_nothing_is_run(working_folder: Path) -> None:
    canary = working_folder / "canary"
    steps = [{"id": "touch", "run": ["touch", str(canary)], "expect": ["result.exit_code == 0"]}]
    package = write_package(working_folder / "p", steps=steps, permissions={"commands": ["touch"]})
    for arguments in (["check"], ["replay"]):
        missing = {"KEIKEN_BWRAP": "/nonexistent/bwrap", "KEIKEN_OCI_RUNTIME": "/nonexistent/runc"}
        running = process(*arguments, package, "--json", environ=missing)
        document = json.loads(running.communicate(timeout=60)[0])
        assert running.returncode == 3
        assert "no_working_sandbox" in (document.get("code"), document.get("error", {}).get("code"))
    assert not canary.exists()


def test_the_terminal_shows_a_table(working_folder: Path) -> None:
    shown = keiken("check", write_package(working_folder / "p"))
    assert shown.exit_code == 0
    for word in ("scenario", "verdict", "greets", "refuses another family", "passed", "Proven here."):
        assert word in shown.stdout
    assert "proving" in shown.stderr


def test_everything_wrong_is_told_in_one_round(working_folder: Path) -> None:
    steps = [{"id": "copy", "run": ["cp", "${{ parameters.whom }}", "work/x"], "expect": ["parameters.whom == '1'"]}]
    shown = keiken("check", write_package(working_folder / "p", steps=steps, conditions={"os.family": {"is": "linux"}}))
    assert shown.exit_code == 3
    assert shown.stderr.count("whom") + shown.stderr.count("os.family") >= 2
    assert "  + " in shown.stderr


def test_the_strength_of_checks_names_what_survived_and_the_check_that_would_have_noticed(working_folder: Path) -> None:
    step = {"id": "copy", "run": ["cp", "work/in", "work/out"], "expect": ["file('work/out').size > 0"]}
    scenario = {"name": "copies", "files": {"work/in": "assets/in"}}
    fields = {"permissions": {"commands": ["cp"], "write": ["work/**"]}, "result": {}}
    made = write_package(working_folder / "p", steps=[step], scenarios=[scenario], **fields)
    (made / "assets").mkdir()
    (made / "assets/in").write_text("one\ntwo\n")
    ran = keiken_json("check", made, "--environment", "local", "--strength")
    assert ran.exit_code == 0, ran.document
    (strength,) = ran.document["strength"]
    assert (strength["environment"], strength["grade"], strength["caught"], strength["n"]) == ("local", "fair", 3, 5)
    survivors = {mutant["how"]: mutant["proposal"] for mutant in strength["mutants"] if mutant["status"] == "survived"}
    check = "file('work/out').sha256 == file('work/in').sha256"
    assert survivors == {"truncated": check, "byte_changed": check}
    told = " ".join(keiken("check", made, "--environment", "local", "--strength").stdout.split())
    assert "3 of 5 wrong effects were noticed: 60 % (95 % interval 23 to 88 %)." in told
    assert "not noticed: work/out ended in its middle after step 'copy'." in told
    assert f"To notice it, add to 'expect' of step 'copy': {check}" in told
    assert keiken_json("check", made, "--environment", "local").document["strength"] == []


def test_checks_that_notice_too_little_are_not_proven(working_folder: Path) -> None:
    steps = [{"id": name, "shell": f"echo 1 > work/{name}", "expect": ["result.exit_code == 0"]} for name in "abcd"]
    scenario = {"name": "works", "expect": ["file('work/a').exists"]}
    made = write_package(working_folder / "p", steps=steps, scenarios=[scenario], result={},
                         permissions={"commands": [], "write": ["work/**"]})  # fmt: skip
    assert keiken_json("check", made, "--environment", "local").document["proven"] is True
    ran = keiken_json("check", made, "--environment", "local", "--strength")
    assert (ran.exit_code, ran.document["proven"], ran.document["strength"][0]["grade"]) == (5, False, "weak")


@pytest.mark.slow
def test_the_conditions_are_tried_around_where_it_was_proven(working_folder: Path) -> None:
    package = write_package(working_folder / "p")
    ran = keiken_json("check", package, "--environment", "local", "--frontier")
    assert ran.exit_code == 0, ran.document
    [found] = ran.document["frontier"]
    assert found["environment"] == "local"
    assert {condition["verdict"] for condition in found["conditions"]} <= {"supported"}
    assert {run["bare"] for run in found["runs"]} <= {"passed"}
    assert keiken_json("check", package, "--static").document.get("frontier") is None

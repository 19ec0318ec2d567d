"""What holds for every command: one document with --json, fixed exit codes, and sentences in place of tracebacks."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import keiken, keiken_json, process
from hypothesis import given
from hypothesis import strategies as st

from keiken import __version__
from keiken.cli import facts
from keiken.cli.main import MODULES, main
from keiken.cli.terminal import plain

pytestmark = pytest.mark.usefixtures("folders")


LEAVES = [
    *([name] for name in MODULES if name not in ("record", "environments")),
    ["record", "shell"],
    ["environments", "list"],
    ["environments", "build"],
    ["environments", "verify"],
]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_explains_itself_and_has_json(path: list[str]) -> None:
    ran = keiken(*path, "--help")
    assert ran.exit_code == 0
    assert f"Usage: keiken {' '.join(path)}" in ran.stdout
    assert "--json" in ran.stdout


def test_the_help_names_every_command_and_the_exit_codes() -> None:
    ran = keiken("--help")
    assert ran.exit_code == 0
    for name in MODULES:
        assert f"\n  {name} " in ran.stdout
    assert "0 done, 1 usage or internal error, 3 refused" in " ".join(ran.stdout.split())


def test_the_version() -> None:
    assert keiken("--version").stdout == f"keiken {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frob"],
        ["pack"],
        ["rate", "a/b"],
        ["rate", "a/b", "--stars", "6"],
        ["search", "--limit", "0"],
        ["facts", "--frob"],
        ["environments"],
        ["environments", "frob"],
        ["replay"],
        ["replay", "a/b", "--on", "moon"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_exit_code_1_with_advice(arguments: list[str]) -> None:
    told = keiken_json(*arguments)
    assert (told.exit_code, told.code) == (1, "usage")
    assert "--help" in told.document["error"]["advice"]
    shown = keiken(*arguments)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.startswith("keiken: ")


def test_json_may_stand_before_the_command() -> None:
    assert keiken("--json", "frob").document["error"]["code"] == "usage"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_options: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(facts, "machine_facts", fail)


def test_a_bug_is_one_kind_sentence_and_a_private_log(broken: None, folders: Path) -> None:
    ran = keiken("facts")
    log = folders / "config" / "log" / "keiken.log"
    assert ran.exit_code == 1
    assert "Sorry, something went wrong in keiken itself." in ran.stderr
    assert str(log) in ran.stderr.replace("\n", "")
    assert "Traceback" not in ran.stderr + ran.stdout
    assert "RuntimeError: boom" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert keiken_json("facts").code == "internal_error"


def test_a_bug_is_shown_whole_to_who_asks_for_it(broken: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKEN_DEBUG", "1")
    with pytest.raises(RuntimeError, match="boom"):
        main(["facts"])


def test_a_log_that_cannot_be_written_hides_nothing(broken: None, folders: Path) -> None:
    (folders / "config").write_text("a file")
    assert keiken_json("facts").code == "internal_error"


def test_nothing_is_written_where_nothing_is_to_be_said(folders: Path) -> None:
    keiken("facts")
    assert list(folders.iterdir()) == []


def test_a_reader_that_goes_away_is_no_trouble() -> None:
    running = process("facts", "--json")
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    assert running.stderr.read() == b""
    assert running.wait(60) == 0


def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        running = process("facts", "--json", stdout=full)
        _out, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert said.decode().startswith("keiken: The answer cannot be written: No space left on device.")
    assert "Traceback" not in said.decode()
    assert "Exception ignored" not in said.decode()


def test_piped_output_has_no_colors() -> None:
    running = process("environments", "list", environ={"TERM": "xterm-256color"})
    shown, _said = running.communicate(timeout=60)
    assert b"\x1b" not in shown
    assert b"debian-12" in shown


@pytest.mark.parametrize(("no_color", "expected"), [("1", False), ("", True)])
def test_colors_on_a_terminal_unless_they_are_unwanted(no_color: str, expected: bool) -> None:
    ours, theirs = os.openpty()
    environ = {"TERM": "xterm-256color", "NO_COLOR": no_color}
    running = process("frob", stderr=theirs, stdin=theirs, environ=environ)
    running.wait(60)
    os.close(theirs)
    said = os.read(ours, 10_000)
    os.close(ours)
    assert b"No such command" in said
    assert (b"\x1b[1;31m" in said) is expected


def test_it_speaks_where_only_ascii_is_known(folders: Path) -> None:
    folder = folders / "経験"
    environ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    running = process("check", str(folder), "--json", environ=environ)
    shown, said = running.communicate(timeout=60)
    assert json.loads(shown)["error"]["code"] == "package_missing"
    assert said == b""


def test_facts_are_one_flat_object() -> None:
    found = keiken_json("facts", "--tool", "cp", "--tool", "no-such-tool-here").document
    assert found["os.family"] == "linux"
    assert found["tool.cp"]
    assert found["tool.no-such-tool-here"] is None
    assert list(found) == sorted(found)


def test_own_facts_come_from_the_settings_folder_or_a_named_file_only(folders: Path) -> None:
    canary = folders / "canary"
    (folders / "keiken-facts.yaml").write_text(yaml.safe_dump({"acme.here": {"command": ["touch", str(canary)]}}))
    assert "acme.here" not in keiken_json("facts").document
    assert not canary.exists()
    named = folders / "mine.yaml"
    named.write_text("acme.region: tokyo\n")
    assert keiken_json("facts", "--extra", named).document["acme.region"] == "tokyo"
    (folders / "config").mkdir()
    named.rename(folders / "config" / "keiken-facts.yaml")
    assert keiken_json("facts").document["acme.region"] == "tokyo"


def test_a_bad_file_of_facts_is_refused(folders: Path) -> None:
    (folders / "bad.yaml").write_text("os.family: plan9\n")
    ran = keiken_json("facts", "--extra", folders / "bad.yaml")
    assert (ran.exit_code, ran.code) == (1, "facts_invalid")


def test_the_sandbox_is_tested_or_explained() -> None:
    ran = keiken_json("sandbox")
    assert (ran.exit_code, ran.document["working"]) == (0, True)
    *here, cluster = ran.document["drivers"]
    assert [driver["driver"] for driver in (*here, cluster)] == ["bubblewrap", "oci", "kubernetes"]
    assert (cluster["working"], "KEIKEN_KUBERNETES_API" in cluster["problem"]) == (False, True)
    for driver in here:
        assert driver["working"], driver["problem"]
        assert (driver["isolation"], set(driver["self_test"].values())) == ("namespace", {"contained"})


def test_without_a_sandbox_it_says_what_to_install() -> None:
    running = process(
        "sandbox", "--json", environ={"KEIKEN_BWRAP": "/nonexistent/bwrap", "KEIKEN_OCI_RUNTIME": "/nonexistent"}
    )
    shown, _said = running.communicate(timeout=60)
    document = json.loads(shown)
    assert (running.returncode, document["working"]) == (3, False)
    assert "apt-get install bubblewrap" in document["drivers"][0]["advice"]
    assert "apt-get install runc" in document["drivers"][1]["advice"]


def test_a_sandbox_that_the_machines_policy_does_not_admit_is_no_working_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKEN_SANDBOX_DRIVERS", "oci")
    ran = keiken_json("sandbox")
    assert (ran.exit_code, ran.document["policy"]) == (0, {"drivers": ["oci"], "minimum_isolation": "namespace"})
    assert [driver["admitted"] for driver in ran.document["drivers"]] == [False, True, False]
    monkeypatch.setenv("KEIKEN_MIN_ISOLATION", "usermode-kernel")
    ran = keiken_json("sandbox")
    assert (ran.exit_code, ran.document["working"]) == (3, False)
    assert [driver["working"] for driver in ran.document["drivers"]] == [True, True, False]


def test_environments_are_listed_and_unknown_ones_refused() -> None:
    names = [row["name"] for row in keiken_json("environments", "list").document["environments"]]
    assert {"debian-12", "local"} <= set(names)
    ran = keiken_json("environments", "build", "no-such")
    assert (ran.exit_code, ran.code) == (1, "unknown_environment")
    assert keiken_json("environments", "verify").document == {"verified": []}


@given(st.text())
def test_no_text_steers_a_terminal(text: str) -> None:
    shown = plain(text)
    assert all(character.isprintable() or character in "\n\t " or character.isspace() for character in shown)
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_japanese_text_stays_readable() -> None:
    assert plain("証明　済み") == "証明　済み"
    assert plain("\x1b[2J\u202e") == "\\x1b[2J\\u202e"


def test_the_command_is_installed_under_its_name() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "keiken", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"keiken {__version__}\n"

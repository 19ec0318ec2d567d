"""Recording from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import keiken, keiken_json

from keiken.package import load


@pytest.fixture(autouse=True)
def folders(working_folder: Path) -> Path:
    (working_folder / "notes.txt").write_text("first notes\n")
    (working_folder / "session.sh").write_text("mkdir -p work/out\ncp assets/notes.txt work/out/notes.txt\n")
    return working_folder


def test_a_recorded_script_becomes_a_package_that_loads(folders: Path) -> None:
    out = folders / "keep-notes"
    ran = keiken_json("record", "shell", "--script", "session.sh", "--input", "notes.txt", "--name", "keep-notes",
                      "--out", out, "--title", "Keep the notes")  # fmt: skip
    assert ran.exit_code == 0
    assert (ran.document["name"], ran.document["lines"]) == ("keep-notes", 2)
    assert ran.document["folder"] == str(out)
    package = load(out)
    assert package.manifest.title == "Keep the notes"
    assert [step.id for step in package.manifest.steps] == ran.document["steps"]
    assert keiken_json("check", out, "--static").exit_code == 0


def test_a_bad_name_is_told_before_anything_is_recorded(folders: Path) -> None:
    canary = folders / "canary"
    (folders / "session.sh").write_text(f"touch {canary}\n")
    ran = keiken_json("record", "shell", "--script", "session.sh", "--name", "Bad Name", "--out", folders / "x")
    assert (ran.exit_code, ran.code) == (1, "name_invalid")
    assert not canary.exists()
    assert not (folders / "x").exists()


def test_a_terminal_is_not_recorded_into_a_document() -> None:
    ran = keiken_json("record", "shell", "--name", "x", "--out", "x")
    assert (ran.exit_code, ran.code) == (1, "script_missing")


def test_a_secret_that_is_to_be_kept_out_must_be_known(folders: Path) -> None:
    arguments = (
        "record",
        "shell",
        "--script",
        "session.sh",
        "--name",
        "x",
        "--out",
        folders / "x",
        "--secret",
        "token",
    )
    assert keiken_json(*arguments).code == "secret_missing"
    (folders / "session.sh").write_text("mkdir -p work\nprintf %s hunter2-hunter2 > work/token.txt\n")
    ran = keiken(*arguments, KEIKEN_SECRET_TOKEN="hunter2-hunter2")
    assert ran.exit_code == 0
    assert "hunter2-hunter2" not in ran.stdout
    for path in (folders / "x").rglob("*"):
        assert not path.is_file() or b"hunter2-hunter2" not in path.read_bytes()

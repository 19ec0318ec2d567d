"""Recording a person at a real terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from recordings import NAME, gone, manifest, person, there, trace

from keiken.errors import Failed
from keiken.package import load
from keiken.record import terminal

RECORD = ("record", "shell", "--name", NAME, "--out", "draft")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("CONFIG", "CACHE"):
        monkeypatch.setenv(f"KEIKEN_{variable}_DIR", str(tmp_path / variable.lower()))
    monkeypatch.setenv("KEIKEN_LANGUAGE", "en")
    monkeypatch.delenv("KEIKEN_MODEL_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_typed_at_a_terminal_becomes_a_draft_and_the_terminal_is_as_before(folder: Path) -> None:
    (folder / "notes.txt").write_text("notes\n")
    with person(*RECORD, "--input", "notes.txt") as someone:
        someone.see("work/; what --input names lies in assets/")
        someone.line("mkdir work/out")
        someone.line("cd work/out")
        someone.line("cat > both.txt <<'END'")
        someone.type("first\rsecond $HOME\rEND\r")
        someone.line("cat both.txt", "second $HOME")
        someone.line("false")
        someone.line("cp ../../assets/notes.txt 'a copy.txt'")
        someone.line("exit")
        assert someone.wait() == 0
        assert someone.settings_now() == someone.settings
        assert "6 lines became 3 steps in draft" in someone.seen
        assert "'false' failed (status 1) and was left out." in someone.seen
    assert [(line["text"], line["exit_code"], line["cwd"]) for line in trace(folder)] == [
        ("mkdir work/out", 0, ""),
        ("cd work/out", 0, ""),
        ("cat > both.txt <<'END'\nfirst\nsecond $HOME\nEND", 0, "work/out"),
        ("cat both.txt", 0, "work/out"),
        ("false", 1, "work/out"),
        ("cp ../../assets/notes.txt 'a copy.txt'", 0, "work/out"),
    ]
    steps = manifest(folder / "draft")["steps"]
    assert steps[1]["shell"] == "cd work/out\ncat > both.txt <<'END'\nfirst\nsecond $HOME\nEND"
    assert steps[2]["expect"] == ["result.exit_code == 0", "file('work/out/a copy.txt').size > 0"]
    load(folder / "draft")


def test_what_is_pasted_while_something_runs_is_all_recorded_in_its_order(folder: Path) -> None:
    pasted = [f"echo {number} and {'many ' * 30} more words >> work/all" for number in range(40)]
    with person(*RECORD) as someone:
        someone.line("sleep 0.5; seq 2000")
        someone.type("".join(f"{line}\r" for line in pasted))
        someone.type("wc -l < work/all; exit\r")
        assert someone.wait() == 0
    assert [line["text"] for line in trace(folder)] == ["sleep 0.5; seq 2000", *pasted]


def test_ctrl_c_gives_up_a_line_and_the_recording_goes_on(folder: Path) -> None:
    with person(*RECORD) as someone:
        someone.see("(keiken)")
        someone.type("touch work/never")
        someone.see("never")
        someone.interrupt()
        someone.line("echo started; sleep 1000", "\nstarted")
        someone.interrupt()
        someone.line("echo yes > work/kept")
        someone.line("exit")
        assert someone.wait() == 0
    assert [(line["text"], line["exit_code"]) for line in trace(folder)] == [
        ("echo started; sleep 1000", 130),
        ("echo yes > work/kept", 0),
    ]
    assert [step["title"] for step in manifest(folder / "draft")["steps"]] == ["echo yes > work/kept"]


def test_the_window_is_that_of_the_terminal_also_when_it_changes(folder: Path) -> None:
    with person(*RECORD, size=(31, 97)) as someone:
        someone.line("stty size > work/one; cat work/one", "\n31 97")
        someone.see("(keiken)")
        someone.resize(12, 55)
        someone.type("until [ \"$(stty size)\" = '12 55' ]; do sleep 0.05; done; echo now it is\r")
        someone.see("\nnow it is")
        someone.line("exit")
        assert someone.wait() == 0


def test_who_leaves_at_once_is_told_what_to_do_and_nothing_is_written(folder: Path) -> None:
    with person(*RECORD) as someone:
        someone.see("(keiken)")
        someone.type("\x04")
        assert someone.wait() == 1
        assert "Nothing was recorded: there was no command." in someone.seen
        assert "leave it with 'exit'" in someone.seen
    assert not (folder / "draft").exists()


def test_a_program_left_in_the_background_neither_holds_up_the_end_nor_outlives_it(folder: Path) -> None:
    with person(*RECORD) as someone:
        someone.line("sleep 31536001 &")
        someone.line("setsid sleep 31536001 < /dev/null > /dev/null 2>&1 &")
        someone.line("echo yes > work/kept")
        someone.line("exit")
        assert someone.wait() == 0
        assert "'sleep' still ran at the end and was ended" in " ".join(someone.seen.split())
    assert gone("31536001")


def test_a_closed_window_ends_the_session_and_keeps_what_was_recorded(folder: Path) -> None:
    with person(*RECORD) as someone:
        someone.line("echo yes > work/kept")
        someone.line("sleep 31536002")
        assert there("31536002")
        someone.hang_up()
        someone.wait()
    assert [line["text"] for line in trace(folder)] == ["echo yes > work/kept"]
    assert gone("31536002")


def test_a_polite_end_leaves_no_draft_no_program_and_the_terminal_as_it_was(folder: Path) -> None:
    with person(*RECORD) as someone:
        someone.line("echo yes > work/kept")
        someone.line("sleep 31536003")
        assert there("31536003")
        someone.process.send_signal(signal.SIGTERM)
        assert someone.wait() == 130
        assert someone.settings_now() == someone.settings
    assert not (folder / "draft").exists()
    assert gone("31536003")


def test_a_killed_recorder_takes_its_shell_with_it_and_leaves_no_half_draft(folder: Path) -> None:
    # Nobody is left to clear up; what it leaves is to go with this test.
    with person(*RECORD, TMPDIR=str(folder)) as someone:
        someone.line("echo yes > work/kept")
        someone.line("sleep 31536004")
        assert there("31536004")
        someone.process.kill()
        assert someone.wait() == -signal.SIGKILL
        someone.hang_up()
    assert [path.name for path in folder.iterdir() if "draft" in path.name] == []
    assert gone("31536004")


def test_the_persons_own_aliases_are_not_recorded_as_if_everybody_had_them(folder: Path) -> None:
    (folder / ".bashrc").write_text("alias greet='echo hello'\n")
    with person(*RECORD, HOME=str(folder)) as someone:
        someone.line("greet", "command not found")
        someone.line("echo yes > work/kept")
        someone.line("exit")
        assert someone.wait() == 0


def test_more_files_than_can_be_watched_end_the_session_and_keep_what_came_before(folder: Path) -> None:
    with person(*RECORD) as someone:
        someone.line("echo yes > work/kept")
        someone.line("mkdir work/many; cd work/many; seq 5001 | xargs touch")
        assert someone.wait() == 0
        assert "The recording ended early: More than 5,000 files were made." in " ".join(someone.seen.split())
    assert [line["text"] for line in trace(folder)] == ["echo yes > work/kept"]


def test_without_a_terminal_it_says_what_to_do_instead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(terminal.UsageError) as refused:
            terminal.require_terminal()
    assert refused.value.code == "terminal_missing"
    assert "--script" in refused.value.advice


def test_a_shell_that_cannot_start_is_told_and_no_second_recorder_lives_on(folder: Path) -> None:
    broken = folder / "bin"
    broken.mkdir()
    (broken / "bash").write_bytes(b"\x7fELF, but no more of it")
    (broken / "bash").chmod(0o755)
    with person(*RECORD, PATH=f"{broken}:{os.environ['PATH']}") as someone:
        assert someone.wait() == Failed.exit_code
        assert "did not start" in someone.seen
        assert someone.seen.count("did not start") == 1
    assert not (folder / "draft").exists()

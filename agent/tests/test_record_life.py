"""What a recording refuses, and what is left of one that ends early or meets another."""

from __future__ import annotations

import gc
import os
import signal
import threading
from pathlib import Path

import pytest
from commands import keiken_json, process
from recordings import NAME, facts, gone, recorded, texts, trace
from sandboxes import children_of

from keiken.errors import Failed, UsageError
from keiken.package import load
from keiken.record import scripted, shell


@pytest.fixture(autouse=True)
def folder(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKEN_LANGUAGE", "en")
    monkeypatch.delenv("KEIKEN_MODEL_URL", raising=False)
    monkeypatch.setattr(shell, "probe", lambda tools: facts())
    return working_folder


# --- refusals


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory"),
        (b"\xff\xfe", "is no text in UTF-8"),
        (b"echo a\0b", "is no script"),
    ],
)
def test_a_script_that_cannot_be_read_is_told_in_words_with_advice(
    folder: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        (folder / "session.sh").write_bytes(content)
    ran = keiken_json("record", "shell", "--script", "session.sh", "--name", NAME, "--out", "draft")
    assert (ran.exit_code, ran.code) == (1, "script_unreadable")
    assert says in ran.document["error"]["message"]
    assert "Errno" not in ran.stdout
    assert "one command a line" in ran.document["error"]["advice"]


@pytest.mark.parametrize(
    ("script", "message", "advice"),
    [
        ("# nothing\n\n", "there was no command", "one a line"),
        ("cat assets/notes.txt > work/x\n", "'cat assets/notes.txt > work/x' ended with status 1", "--input"),
        ("ls\npwd\n", "only looked around", "below work/"),
    ],
)
def test_a_session_without_a_step_says_what_to_record(folder: Path, script: str, message: str, advice: str) -> None:
    with pytest.raises(UsageError) as refused:
        recorded(folder, script)
    assert refused.value.code == "nothing_recorded"
    assert message in refused.value.message
    assert advice in refused.value.advice
    assert not (folder / "draft").exists()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("echo 'open\n", "script_incomplete"),
        ("echo x > work/x\nset -e\nfalse\necho y\n", "shell_ended"),
        ("echo x > work/x\nkill -9 $$\n", "shell_ended"),
        ("mkdir work/many; cd work/many; seq 5001 | xargs touch\n", "too_many_files"),
    ],
)
def test_a_script_that_cannot_be_recorded_to_its_end_leaves_nothing(folder: Path, script: str, code: str) -> None:
    with pytest.raises((UsageError, Failed)) as refused:
        recorded(folder, script)
    assert refused.value.code == code
    assert refused.value.advice
    assert not (folder / "draft").exists()


def test_a_script_may_end_with_exit(folder: Path) -> None:
    draft = recorded(folder, "echo x > work/x\nexit 3\necho never > work/y\n")
    assert [step.id for step in draft.package.manifest.steps] == ["step_1"]


def test_a_line_that_does_not_end_is_ended_with_all_it_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted, "LINE_SECONDS", 0.5)
    with pytest.raises(Failed) as refused:
        recorded(folder, "setsid sleep 31536011 & sleep 31536011\n")
    assert (refused.value.code, gone("31536011")) == ("line_timeout", True)
    assert not (folder / "draft").exists()


@pytest.mark.parametrize(
    ("option", "says"),
    [({"title": "t" * 201}, "title may have at most 200 characters"), ({"version": "one"}, "version")],
)
def test_what_no_package_may_be_called_is_told_before_anything_runs(
    folder: Path, option: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        recorded(folder, f"touch {folder}/canary\n", **option)
    assert refused.value.code == "option_invalid"
    assert not (folder / "canary").exists()


def _descriptors_and_children() -> tuple[int, set[int]]:
    gc.collect()  # what an earlier test has left is not counted
    return len(list(Path("/proc/self/fd").iterdir())), children_of(os.getpid())


def test_recording_leaves_no_descriptor_and_no_child_behind(folder: Path) -> None:
    recorded(folder, "echo x > work/x\n")
    before = _descriptors_and_children()
    with pytest.raises(UsageError):
        recorded(folder, "false\n")
    assert _descriptors_and_children() == before


def test_a_folder_that_is_taken_is_refused_before_anything_runs(folder: Path) -> None:
    (folder / "draft").mkdir()
    (folder / "draft/mine.txt").write_text("mine\n")
    with pytest.raises(UsageError) as refused:
        recorded(folder, f"touch {folder}/canary\n")
    assert refused.value.code == "folder_not_empty"
    assert not (folder / "canary").exists()
    assert texts(folder / "draft") == {"mine.txt": "mine\n"}


@pytest.mark.parametrize("taken", ["file", "link"])
def test_a_folder_that_is_none_is_refused(folder: Path, taken: str) -> None:
    if taken == "file":
        (folder / "draft").write_text("mine\n")
    else:
        (folder / "draft").symlink_to(folder / "nowhere")
    with pytest.raises(UsageError) as refused:
        recorded(folder, "echo x > work/x\n")
    assert refused.value.code == "folder_not_empty"


def test_a_folder_below_a_file_is_refused_and_nothing_is_made_for_a_refusal(folder: Path) -> None:
    (folder / "file").write_text("mine\n")
    ran = keiken_json("record", "shell", "--script", "s", "--name", NAME, "--out", folder / "file/x/draft")
    assert (ran.code, ran.exit_code) == ("folder_unwritable", 1)
    ran = keiken_json("record", "shell", "--script", "s", "--name", NAME, "--out", folder / "new/x/draft")
    assert (ran.code, (folder / "new").exists()) == ("script_unreadable", False)


# --- its life


def test_an_empty_folder_is_filled_and_one_that_was_filled_meanwhile_is_left_alone(folder: Path) -> None:
    (folder / "draft").mkdir()
    draft = recorded(folder, f"echo x > work/x; echo theirs > {folder}/draft/theirs.txt\n")
    assert texts(folder / "draft") == {"theirs.txt": "theirs\n"}
    assert draft.folder == folder / "draft-2"
    assert load(folder / "draft-2").manifest.name == NAME
    assert draft.warnings == [f"{folder / 'draft'} was filled meanwhile; the draft is beside it."]


def test_two_recordings_at_once_leave_two_whole_drafts(folder: Path) -> None:
    drafts = []
    places = [folder / "one", folder / "two"]
    for place in places:
        place.mkdir()
    meet = threading.Barrier(2)

    def record(number: int) -> None:
        meet.wait()
        drafts.append(recorded(places[number], f"echo {number} > work/{number}\ncp work/{number} work/copy\n"))

    threads = [threading.Thread(target=record, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, place in enumerate(places):
        assert [line["text"] for line in trace(place)] == [f"echo {number} > work/{number}",
                                                           f"cp work/{number} work/copy"]  # fmt: skip
        assert trace(place)[0]["made"] == [f"work/{number}"]
    assert len(drafts) == 2


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_or_killed_recorder_leaves_no_half_draft(folder: Path, sent: signal.Signals, code: int) -> None:
    for pipe in ("started", "held"):
        os.mkfifo(folder / pipe)
    (folder / "temporary").mkdir()
    (folder / "session.sh").write_text(f"echo now > {folder}/started; cat {folder}/held > work/got\n")
    options = {"environ": {"TMPDIR": str(folder / "temporary")}}
    running = process("record", "shell", "--script", "session.sh", "--name", NAME, "--out", "draft", **options)
    assert (folder / "started").read_text() == "now\n"
    running.send_signal(sent)
    _out, said = running.communicate(timeout=120)
    assert running.returncode == code
    assert b"Traceback" not in said
    assert [path.name for path in folder.iterdir() if "draft" in path.name] == []
    if sent == signal.SIGKILL:
        # Nobody was left to end the line; once it has ended, its shell finds nobody to tell.
        (folder / "held").write_text("")
    else:
        assert list((folder / "temporary").iterdir()) == []
    assert gone(f"{folder}/held")
    assert gone(f"{folder}/temporary")

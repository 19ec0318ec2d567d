"""Recording a script: steps, checks, conditions, parameters, and what its author is asked."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from commands import keiken_json, process
from recordings import NAME, facts, gone, manifest, recorded, texts

from keiken.conditions import probe
from keiken.errors import Failed, UsageError
from keiken.package import load
from keiken.record import scripted, shell


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKEN_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("KEIKEN_LANGUAGE", "en")
    monkeypatch.delenv("KEIKEN_MODEL_URL", raising=False)
    monkeypatch.setattr(shell, "probe", lambda tools: facts())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trace(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "draft/trace/session.jsonl").read_text("utf-8").splitlines()]


def steps(folder: Path) -> list[Any]:
    found = manifest(folder / "draft")["steps"]
    assert isinstance(found, list)
    return found


# --- what becomes a step, and its checks


def test_each_effect_on_a_file_becomes_a_check_of_it(folder: Path) -> None:
    recorded(
        folder,
        "mkdir -p work/out\necho one > work/a\n: > work/empty\necho two >> work/a\nchmod 600 work/a\nrm work/empty\n",
    )
    assert [(step["title"], step["expect"][1:]) for step in steps(folder)] == [
        ("mkdir -p work/out", ["file('work/out').kind == 'folder'"]),
        ("echo one > work/a", ["file('work/a').size > 0"]),
        (": > work/empty", ["file('work/empty').exists"]),
        (
            "echo two >> work/a",
            [
                "file('work/a').size > 0",
                "file('work/a').sha256 != '2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806'",
            ],
        ),
        ("chmod 600 work/a", ["file('work/a').size > 0", "file('work/a').mode == '0600'"]),
        ("rm work/empty", ["!file('work/empty').exists"]),
    ]
    assert all(step["expect"][0] == "result.exit_code == 0" for step in steps(folder))
    assert [step["file"] for step in manifest(folder / "draft")["undo"]] == [{"remove": "work/a"}]


def test_exit_codes_and_outputs_are_kept_and_what_failed_is_told_and_left_out(folder: Path) -> None:
    draft = recorded(
        folder,
        "echo out; echo err >&2; echo x > work/x; (exit 3)\n"
        "sh -c 'kill -9 $$'\n"
        "printf 'caf\\303\\251 \\377\\n'\n"
        "echo yes > work/kept\n",
    )
    assert [(line["exit_code"], line["stdout"], line["stderr"]) for line in trace(folder)[:3]] == [
        (3, "out\n", "err\n"),
        (137, "", trace(folder)[1]["stderr"]),
        (0, "café \ufffd\n", ""),
    ]
    assert [step["title"] for step in steps(folder)] == [r"printf 'caf\303\251 \377\n'", "echo yes > work/kept"]
    assert draft.questions[:2] == [
        "'echo out; echo err >&2; echo x > work/x; (exit 3)' failed (status 3) and was left out, although it changed "
        "work/x.",
        "'sh -c 'kill -9 $$'' failed (status 137) and was left out.",
    ]


def test_lines_share_one_shell_and_each_step_gets_what_it_needs_of_it(folder: Path) -> None:
    recorded(
        folder,
        "target=work/out\ngreet() { echo \"hello $1\"; }\nunused=1\nmkdir $target\ngreet you > $target/greeting\n"
        "cd work/out\ncp greeting 'second one'\n",
    )  # fmt: skip
    assert [step.get("shell") for step in steps(folder)] == [
        "target=work/out\nmkdir $target",
        'target=work/out\ngreet() { echo "hello $1"; }\ngreet you > $target/greeting',
        "cd work/out\ncp greeting 'second one'",
    ]


def test_lines_that_belong_together_stay_together(folder: Path) -> None:
    script = (
        "#!/bin/bash\n# what follows makes files\n\nfor name in one two; do\n  echo $name > work/$name\ndone\n"
        "cat > work/text <<END\n# no comment\nsecond\nEND\nprintf '%s\\n' 'a\nb' \\\n  > work/quoted\n"
    )
    recorded(folder, script.replace("\n", "\r\n"))
    assert [line["text"] for line in trace(folder)] == [
        "for name in one two; do\n  echo $name > work/$name\ndone",
        "cat > work/text <<END\n# no comment\nsecond\nEND",
        "printf '%s\\n' 'a\nb' \\\n  > work/quoted",
    ]
    assert steps(folder)[0]["expect"][1:] == ["file('work/one').size > 0", "file('work/two').size > 0"]


def test_tools_become_conditions_of_their_version_line_and_permissions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "probe", probe)
    recorded(folder, "git init -q work/repository\necho x | tar cf work/x.tar -T /dev/null\nls work\n")
    found = manifest(folder / "draft")
    assert set(found["conditions"]) == {"os.family", "tool.git", "tool.tar"}
    assert found["permissions"] == {"commands": ["git", "tar"], "write": ["work/**"]}
    version = keiken_json("facts", "--tool", "tar").document["tool.tar"]
    major, minor = version.split(".")[:2]
    assert found["conditions"]["tool.tar"] == f">={major}.{minor},<{int(major) + 1}"


def test_commands_that_other_commands_start_are_permitted_too(folder: Path) -> None:
    recorded(
        folder,
        "echo a > work/a; find work -name a -exec cp {} work/b \\;\n"
        "find work -type f -print0 | xargs -0 -n 1 sha256sum > work/sums; LC_ALL=C timeout -k 1 9 sort -o work/c work/sums\n",
    )
    commands = manifest(folder / "draft")["permissions"]["commands"]
    assert commands == ["cp", "find", "sha256sum", "sort", "timeout", "xargs"]


def test_a_release_with_and_without_its_v_is_one_parameter(folder: Path) -> None:
    recorded(folder, "mkdir work/v1.2.3\necho 1.2.3 > work/v1.2.3/VERSION\n")
    assert manifest(folder / "draft")["parameters"]["release"]["default"] == "1.2.3"
    assert [step["title"] for step in steps(folder)] == ["mkdir work/v1.2.3", "echo 1.2.3 > work/v1.2.3/VERSION"]
    assert steps(folder)[0]["run"] == ["mkdir", "work/v${{ parameters.release }}"]
    assert set(manifest(folder / "draft")["parameters"]) == {"release"}


def test_what_recurs_becomes_a_parameter_wherever_it_stands(folder: Path) -> None:
    recorded(
        folder,
        "mkdir work/app-2026.11\n"
        "printf '%s\\n' 'for 2026.11 only' \"v2026.11\" > work/app-2026.11/notes\n"
        "cat > work/site <<'END'\nserver_name shop.example; # $keep \\this\nEND\n"
        "mkdir work/shop.example\n",
    )
    found = manifest(folder / "draft")
    assert {name: part["default"] for name, part in found["parameters"].items()} == {
        "release": "2026.11",
        "host": "shop.example",
    }
    assert found["steps"][0]["run"] == ["mkdir", "work/app-${{ parameters.release }}"]
    assert found["steps"][1]["shell"] == (
        "printf '%s\\n' 'for '\"${RELEASE}\"' only' \"v${RELEASE}\" > work/app-\"${RELEASE}\"/notes"
    )
    assert found["steps"][1]["expect"][1] == "file('work/app-' + parameters.release + '/notes').size > 0"
    assert found["steps"][2]["shell"] == (
        "cat > work/site <<END\nserver_name ${HOST}; # \\$keep \\\\this\nEND"
    )  # fmt: skip
    assert found["steps"][2]["env"] == {"HOST": "${{ parameters.host }}"}
    assert found["steps"][3]["run"] == ["mkdir", "work/${{ parameters.host }}"]


@pytest.mark.slow
def test_a_draft_of_all_of_this_is_proven_by_keiken_check_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "notes.txt").write_text("some notes\n")
    recorded(
        folder,
        "cp assets/notes.txt work/notes.txt\n"
        "cat > work/ci.yml <<'END'\non: ${{ github.ref }} at 1.2.3 $HOME `x` \\n\nEND\n"
        "cp $PWD/assets/notes.txt \"work/a copy for 1.2.3.txt\"\n"
        "cd work && [[ -s notes.txt ]] && sort notes.txt > sorted.txt\n"
        "while read -r word; do echo \"- $word\"; done < sorted.txt > listed.txt\n"
        "cd ..\n"
        "tar cf work/all-1.2.3.tar -C work notes.txt listed.txt\n"
        "rm work/sorted.txt\n",
        inputs=[folder / "notes.txt"],
    )  # fmt: skip
    monkeypatch.delenv("KEIKEN_CACHE_DIR")  # the environments that other tests have built
    ran = keiken_json("check", folder / "draft")
    assert (ran.exit_code, ran.document["proven"]) == (0, True), ran.stdout
    assert [row["verdict"] for row in ran.document["scenarios"]] == ["passed", "passed"]


# --- what does not belong into a package


def test_no_path_of_this_machine_is_left_in_the_draft(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/hana.sato")
    (folder / "session.sh").write_text("")
    recorded(
        folder,
        "pwd\n"
        "env | grep -- -record | sort > work/env; cat work/env\n"
        "printf '%s' \"$PWD\" > where && eval \"cp $PWD/where work/copy; echo cp $PWD/where > work/typed\"\n"
        "ls -l /proc/self/fd > /dev/null\n"
        "echo /home/hana.sato/notes '/home/hana.sato/more' > work/home; cat work/home\n"
        "echo $0 $# $*\n",
    )  # fmt: skip
    assert [line["stdout"] for line in trace(folder)] == [".\n", "KEIKEN_RECORDING=.\nPWD=.\n", "", "",
                                                          "~/notes ~/more\n", "bash 0\n"]  # fmt: skip
    assert steps(folder)[-1]["shell"] == "echo \"${HOME}\"/notes ''\"${HOME}\"'/more' > work/home; cat work/home"
    for path, text in texts(folder / "draft").items():
        assert "keiken-record" not in text, path
        assert "hana" not in text, path


def test_the_job_folder_typed_out_is_a_dot_or_a_variable_where_a_line_moves(folder: Path) -> None:
    from keiken.record.local import Local
    from keiken.record.session import Line

    local = Local(Path("/tmp/keiken-record-x/job"), None)

    def typed(text: str, cwd: str = "") -> str:
        return local.line(Line(text=text, exit_code=0, cwd=cwd)).text

    assert typed("cp /tmp/keiken-record-x/job/assets/a work/") == "cp ./assets/a work/"
    assert typed("cp /tmp/keiken-record-x/job/a .", "work") == 'cp "${KEIKEN_JOB}"/a .'
    assert typed("cd work && cp '/tmp/keiken-record-x/job/a' .") == "cd work && cp ''\"${KEIKEN_JOB}\"'/a' ."
    assert typed("tar -C/tmp/keiken-record-x/job/work -c .") == "tar -C./work -c ."
    assert typed("ls /tmp/keiken-record-x/jobs") == "ls ../jobs"


def test_what_a_replay_will_not_have_is_asked_about(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = folder / "outside.txt"
    outside.write_text("x\n")
    monkeypatch.setenv("REGION", "eu")
    draft = recorded(
        folder,
        f"cp {outside} work/copy\n"
        "echo $REGION > work/region\n"
        "echo x > elsewhere\n"
        f"cd {folder}\n"
        "cp outside.txt \"$OLDPWD/work/second\"\n"
        "code work/region\n"
        "sleep 31536010 & echo started > $OLDPWD/work/started\n",
    )  # fmt: skip
    said = "\n".join(draft.questions)
    assert f" uses {outside}, which lies outside the folder: a replay has only what is in the package." in said
    assert "'echo $REGION > work/region' uses $REGION, which a replay does not have" in said
    assert "'echo x > elsewhere' changed elsewhere; a replay may change only what is below work/." in said
    assert f"was typed in {folder}, outside the folder" in said
    assert "'code work/region' opened an editor; replace it by a file step." in said
    assert "'sleep' still ran at the end and was ended; make it a service of the scenario." in said
    assert gone("31536010")


# --- inputs


def test_an_input_is_in_the_package_as_it_was_before_the_session(folder: Path) -> None:
    (folder / "tool.sh").write_text("#!/bin/sh\necho hello\n")
    (folder / "tool.sh").chmod(0o755)
    recorded(folder, "assets/tool.sh > work/out\necho broken > assets/tool.sh\n", inputs=[folder / "tool.sh"])
    copy = folder / "draft/assets/tool.sh"
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("#!/bin/sh\necho hello\n", 0o755)


@pytest.mark.parametrize(
    ("names", "content", "code"),
    [
        (("gone.txt",), None, "input_missing"),
        (("a/notes.txt", "b/notes.txt"), b"x", "input_twice"),
        (("a/notes.txt", "b/NOTES.txt"), b"x", "input_twice"),
        (("a/what?.txt",), b"x", "input_name_invalid"),
        (("a/con.txt",), b"x", "input_name_invalid"),
        (("a/big",), bytes((8 << 20) + 1), "input_too_large"),
        (("a/key.pem",), b"one\n-----BEGIN PRIVATE KEY-----\n", "input_holds_secret"),
    ],
)
def test_an_input_that_cannot_be_is_refused_before_anything_runs(
    folder: Path, names: tuple[str, ...], content: bytes | None, code: str
) -> None:
    for name in names:
        if content is not None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    with pytest.raises(UsageError) as refused:
        recorded(folder, f"touch {folder}/canary\n", inputs=[folder / name for name in names])
    assert refused.value.code == code
    assert refused.value.advice
    assert not (folder / "canary").exists()
    assert not (folder / "draft").exists()


def test_the_line_of_a_secret_in_an_input_is_named(folder: Path) -> None:
    (folder / "config").write_text("user = me\ntoken = hunter2-hunter2\n")
    with pytest.raises(UsageError, match="config, line 2: it holds a secret"):
        recorded(folder, "true > work/x\n", inputs=[folder / "config"], secrets={"token": "hunter2-hunter2"})


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


def _descriptors_and_children() -> tuple[int, set[str]]:
    children = {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
    return len(list(Path("/proc/self/fd").iterdir())), children


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

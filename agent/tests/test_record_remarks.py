"""What does not belong into a package, what its author is asked, and the files it starts from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from recordings import facts, gone, manifest, recorded, steps, texts, trace

from keiken.errors import UsageError
from keiken.record import reach, shell


@pytest.fixture(autouse=True)
def folder(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKEN_LANGUAGE", "en")
    monkeypatch.delenv("KEIKEN_MODEL_URL", raising=False)
    monkeypatch.setattr(shell, "probe", lambda tools: facts())
    return working_folder


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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("curl http://shop.example.", []),
        ("curl http://-x/ http://a..b/ http://shop.example:70000/ http://shop.example:080/", []),
        ("curl 'https://me:pw@shop.example/?q=http://other.example'", ["other.example:80", "shop.example:443"]),
        ("wget $HOST/x", []),
        ("git push ssh://git@shop.example:2222/x", ["shop.example:2222"]),
    ],
)
def test_only_hosts_that_a_permission_can_name_are_taken(text: str, found: list[str]) -> None:
    assert reach.hosts([text]) == found


@pytest.mark.parametrize(
    ("text", "changes"),
    [("sudo cp a b", True), ("true && apt-get install x", True), ("echo sudo", False), ("cat apt", False)],
)
def test_it_is_seen_which_line_changes_the_machine(text: str, changes: bool) -> None:
    assert reach.changes_machine(text) is changes


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


def test_a_program_that_had_only_just_been_started_at_the_end_is_named_and_not_the_shell(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    # For half a second the copy of the shell is not yet what it is to become.
    late = f"( read -t 0.5 answer <> {folder}/pipe; exec sleep 31536011 ) & echo started > work/started\n"
    said = "\n".join(recorded(folder, late).questions)
    assert "'sleep' still ran at the end" in said
    assert "'bash' still ran" not in said
    assert gone("31536011")


def test_hosts_that_were_reached_become_permissions_and_a_question(folder: Path) -> None:
    own = folder / "bin"
    own.mkdir()
    for name in ("curl", "git"):
        (own / name).write_text("#!/bin/sh\n")
        (own / name).chmod(0o755)
    draft = recorded(
        folder,
        f"PATH={own}:$PATH\n"
        "curl -o work/x https://api.shop.example/v1 http://127.0.0.1:8080/ http://localhost/\n"
        "git clone git@code.shop.example:acme/tools.git work/tools\n"
        "curl http://api.shop.example:8443/\n"
        "echo https://not.reached.example > work/link\n",
    )
    assert manifest(folder / "draft")["permissions"]["network"] == [
        "api.shop.example:443",
        "api.shop.example:8443",
        "code.shop.example:22",
    ]
    asked = "Must every replay reach api.shop.example:443, api.shop.example:8443, code.shop.example:22?"
    assert asked in draft.questions


def test_what_was_typed_into_a_program_and_what_changes_the_machine_are_asked_about(folder: Path) -> None:
    draft = recorded(folder, "python3\nbash\nsystemctl --version\necho x > work/x\n")
    said = [question for question in draft.questions if "python3" in question or "bash" in question]
    assert said == [
        "What was typed into 'python3' was not recorded; give it a file or an option to read it from.",
        "What was typed into 'bash' was not recorded; give it a file or an option to read it from.",
    ]
    assert steps(folder)[-1]["title"] == "echo x > work/x"


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

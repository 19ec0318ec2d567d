"""Recording a script: steps, checks, conditions and parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import keiken_json
from recordings import facts, manifest, recorded, steps, trace

from keiken.conditions import probe
from keiken.record import shell


@pytest.fixture(autouse=True)
def folder(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKEN_LANGUAGE", "en")
    monkeypatch.delenv("KEIKEN_MODEL_URL", raising=False)
    monkeypatch.setattr(shell, "probe", lambda tools: facts())
    return working_folder


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

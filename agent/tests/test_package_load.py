"""What is wrong with experience.yaml or SKILL.md is refused with its line, in a plain sentence."""

from __future__ import annotations

import ast
import time
from pathlib import Path
from typing import Any

import hostile
import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

import keiken.package
from keiken.errors import PackageError
from keiken.package import load, skill
from keiken.package.load import check
from keiken.package.rules import RULES
from keiken.package.tree import File


def checked(manifest: str = hostile.MANIFEST, skill: str = hostile.SKILL, **files: str) -> Any:
    contents = {"experience.yaml": manifest, "SKILL.md": skill, **files}
    return check({path: File(len(text), False, text.encode()) for path, text in contents.items()}, Path("package"))


def changed(old: str, new: str) -> str:
    assert old in hostile.MANIFEST
    return hostile.MANIFEST.replace(old, new, 1)


def test_the_valid_package_is_loaded_whole(tmp_path: Path) -> None:
    for path, content in hostile.VALID.items():
        (tmp_path / path).write_bytes(content)
    package = load(tmp_path)
    assert package.manifest.name == package.skill.name == "greet"
    assert package.files == {path: len(content) for path, content in sorted(hostile.VALID.items())}
    assert package.skill.body.startswith("\n# Greet")
    assert package.line("steps", 1, "run") == 15
    assert package.digest == ""


CASES = [
    ("title: Write a greeting\n", "", "manifest_invalid", 1, "title is missing"),
    ("title: Write a greeting", "title: 5", "manifest_invalid", 4, "must be text"),
    ("title: Write", "tilte: Write", "manifest_invalid", None, "is 'title' meant?"),
    ("version: 1.0.0", "version: 1.0", "manifest_invalid", 3, "version must be text; put it in quotes"),
    ("version: 1.0.0", "version: 01.0.0", "manifest_invalid", 3, "a version such as 1.4.0"),
    ("name: greet", "name: Greet", "manifest_invalid", 2, "lower-case letters and digits"),
    ('experience: "1"', 'experience: "2"', "manifest_invalid", 1, "must be '1'"),
    ("license: Apache-2.0", "license: Apache 2", "license_invalid", 5, "SPDX"),
    ("license: Apache-2.0", "license: LicenseRef-Acme", "license_text_missing", 5, "LICENSE"),
    ("license: Apache-2.0", "license: MIT OR LicenseRef-Acme", "license_text_missing", 5, "LICENSE"),
    ("{os.family: linux}", "{os.famly: linux}", "condition_invalid", 6, "is 'os.family' meant?"),
    ("{os.family: linux}", '{tool.git: ">=abc"}', "condition_invalid", 6, "range"),
    ("type: string,", "type: strong,", "parameter_schema_invalid", 8, "no JSON Schema"),
    ("default: world", "default: 5", "parameter_schema_invalid", 8, "default do not fit"),
    ("default: world", f"default: {'x' * 41}", "parameter_schema_invalid", 8, "too long"),
    ("maxLength: 40,", "pattern: '(a+)+\\1',", "parameter_schema_invalid", 8, "pattern cannot be used"),
    ("maxLength: 40,", "$ref: '#',", "parameter_schema_invalid", 8, "'$ref' is not allowed"),
    ("commands: [cp]", "commands: ['cp x']", "permission_invalid", 9, "'cp x' is no command"),
    ("write: [work/**]", "write: [../x]", "permission_invalid", 9, "no pattern of paths"),
    ("write: [work/**]", "write: [/**]", "permission_invalid", 9, "too wide"),
    ("write: [work/**]", "write: [assets/**]", "permission_invalid", 9, "outside work/"),
    ("write: [work/**]", "network: [example.com]", "permission_invalid", 9, "host and port"),
    ("write: [work/**]", "network: ['a:70000']", "permission_invalid", 9, "host and port"),
    ("write: work/draft.txt", "write: /etc/motd", "file_path_invalid", 12, "outside what permissions.write"),
    ("write: work/draft.txt", "write: work/../x", "file_path_invalid", 12, "leads elsewhere"),
    ("${{ parameters.who }}", "${{ parameters.who", "template_invalid", 12, "has no '}}'"),
    ("${{ parameters.who }}", "${{ }}", "template_invalid", 12, ""),
    ("${{ parameters.who }}", "${{ parameters.whom }}", "template_invalid", 12, "no parameter 'whom'"),
    ("${{ parameters.who }}", "${{ secrets.token }}", "template_invalid", 12, "not among the secrets"),
    ("${{ parameters.who }}", "${{ steps.copy.outputs.x }}", "template_invalid", 12, "no step 'copy' before it"),
    ("${{ parameters.who }}", "${{ steps.write.outputs.x }}", "template_invalid", 12, "no output 'x'"),
    ("${{ parameters.who }}", "${{ result.exit_code }}", "template_invalid", 12, "not known yet"),
    ("result.exit_code == 0", "result.exit_code = 0", "check_invalid", 16, ""),
    ("result.exit_code == 0", "parameters.nope == 1", "check_invalid", 16, "no parameter 'nope'"),
    ("result.exit_code == 0", "steps.nope.outputs.x == 1", "check_invalid", 16, "no step 'nope'"),
    ("parameters: {who: Keiko}", "parameters: {whom: Keiko}", "scenario_invalid", 19, "no parameter 'whom'"),
    ("parameters: {who: Keiko}", "parameters: {who: 5}", "scenario_invalid", 19, "is not of type"),
    ("parameters: {who: Keiko}", "files: {work/a: assets/a}", "asset_missing", 19, "no file 'assets/a'"),
    ("parameters: {who: Keiko}", "files: {../a: SKILL.md}", "file_path_invalid", 19, "not below work/"),
    ("parameters: {who: Keiko}", "secrets: {token: x}", "scenario_invalid", 19, "not among the secrets"),
    ("parameters: {who: Keiko}", "expect: [result.nope == 1]", "check_invalid", 19, "not among the results"),
    ("parameters: {who: Keiko}", "at: copy", "manifest_invalid", 18, "belongs to the outcome diverged"),
    ("facts: {os.family: plan9}", "facts: {os.famly: plan9}", "scenario_invalid", 21, "is 'os.family' meant?"),
    ("facts: {os.family: plan9}", "facts: {tool.git: 1.10}", "scenario_invalid", 21, "put the version in quotes"),
    ("title: Write a greeting", 'title: "Write\\e[2J"', "manifest_invalid", 4, "control or invisible"),
    ("id: copy", "id: write", "manifest_invalid", 1, "used twice"),
    ("run: [cp, work/draft.txt, work/greeting.txt]", "shell: echo ${{ parameters.who }}",
     "manifest_invalid", 14, "never becomes script text"),
    ("run: [cp, work/draft.txt, work/greeting.txt]", "ran: [cp]", "manifest_invalid", None, "ran is not known here"),
    ("run: [cp, work/draft.txt, work/greeting.txt]", "run: cp", "manifest_invalid", 15, "must be a list"),
    ("permissions: {commands: [cp], write: [work/**]}", "permissions: [cp]",
     "manifest_invalid", 9, "must be a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "line", "words"), CASES, ids=[f"{c[1][:30]}-{c[2]}" for c in CASES])
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, code: str, line: int | None, words: str) -> None:
    with pytest.raises(PackageError) as refused:
        checked(changed(old, new))
    error = refused.value
    assert error.code == code, error.message
    assert error.details["file"] == "experience.yaml"
    assert error.details["problems"][0]["rule"] == code
    told = " ".join(problem["message"] for problem in error.details["problems"])
    assert words in told
    if line is not None:
        assert error.details["line"] == line, error.message
        assert error.message.startswith(f"experience.yaml, line {line}: ")


def test_all_problems_are_told_the_first_one_first() -> None:
    text = changed("license: Apache-2.0", "license: nope").replace("commands: [cp]", "commands: ['a b']")
    with pytest.raises(PackageError) as refused:
        checked(text)
    problems = refused.value.details["problems"]
    assert [(problem["rule"], problem["line"]) for problem in problems] == [
        ("license_invalid", 5),
        ("permission_invalid", 9),
    ]
    assert refused.value.code == "license_invalid"


HELLO = "Hello, ${{ parameters.who }}"
SLOW = {
    "templates that never end": changed(HELLO, "${{" * 40_000),
    "many templates": changed(HELLO, "${{ parameters.who }}" * 5_000),
    "quotes": changed(HELLO, "'" * 100_000),
    "many schemas": changed(
        "parameters:\n",
        "parameters:\n" + "".join(f"  p{n}: {{enum: [{', '.join(map(str, range(190)))}]}}\n" for n in range(90)),
    ),
    "nested repetition": changed("maxLength: 40", "pattern: '(([a-z]{1,900}){1,900}){1,900}'"),
    "brackets": changed("result.exit_code == 0", "(" * 1_900),
    "license": changed("Apache-2.0", "(" * 90 + "MIT" + ")" * 90),
    "checks": changed(
        "scenarios:",
        "".join(f"  - {{id: s{n}, run: [cp], expect: [{', '.join(['true'] * 40)}]}}\n" for n in range(190))
        + "scenarios:",
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_no_manifest_within_the_limits_takes_long(name: str) -> None:
    started = time.process_time()
    refused = hostile.refusal_of(lambda: checked(SLOW[name]))
    assert refused is None or refused.code in RULES
    assert time.process_time() - started < 20


def test_a_license_of_ones_own_comes_with_its_text() -> None:
    text = changed("license: Apache-2.0", "license: LicenseRef-Acme")
    assert checked(text, LICENSE="All rights reserved.").manifest.license == "LicenseRef-Acme"


def test_a_scenario_that_refuses_may_give_wrong_values() -> None:
    text = changed("facts: {os.family: plan9}", "parameters: {whom: 5}")
    assert checked(text).manifest.scenarios[1].parameters == {"whom": 5}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("---\nname", "name", 1, "front matter"),
        ("name: greet", "name: Greet!", 2, "lower-case"),
        ("name: greet\n", "", 2, "'name' is missing"),
        ("name: greet", "name: greet\nversion: 1", 3, "'version' is no field of an Agent Skill"),
        ("description: Writes a greeting to a file and checks it.", "description: ''", 3, "1 to 1024"),
        ("description: Writes a greeting to a file and checks it.", f"description: {'x' * 1025}", 3, "1 to 1024"),
        ("name: greet", "name: greet\nmetadata: {version: 1.10}", 3, "put it in quotes"),
        ("name: greet", "name: greet\nmetadata: x", 3, "must be a mapping"),
        ("name: greet", "name: greet\ncompatibility: ''", 3, "1 to 500"),
        ("name: greet", "name: greet\nallowed-tools: [Bash]", 3, "must be text"),
        ("name: greet", "name: other", 2, "not that of experience.yaml"),
        ("# Greet", "# Gr\0eet", 6, "NUL"),
    ],
)
def test_skill_md_must_be_a_valid_agent_skill(old: str, new: str, line: int, words: str) -> None:
    with pytest.raises(PackageError) as refused:
        checked(skill=hostile.SKILL.replace(old, new, 1))
    assert refused.value.code == "skill_invalid"
    assert refused.value.details["line"] == line, refused.value.message
    assert words in refused.value.message


def test_skill_md_keeps_all_its_fields_and_its_body() -> None:
    parsed = skill.parse(
        b"\xef\xbb\xbf---\r\nname: a-b\r\ndescription: |\r\n  Does it.\r\nlicense: MIT\r\ncompatibility: Needs git\r\n"
        b'metadata: {author: acme, version: "1.0"}\r\nallowed-tools: Bash(git:*) Read\r\n---\r\n# Do\r\n---\r\nmore\r\n'
    )
    assert parsed == skill.Skill(
        name="a-b",
        description="Does it.",
        license="MIT",
        body="# Do\n---\nmore\n",
        metadata={"author": "acme", "version": "1.0"},
        compatibility="Needs git",
        allowed_tools="Bash(git:*) Read",
        name_line=2,
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES: list[tuple[str | int, ...]] = [
    ("conditions",), ("conditions", "tool.git"), ("parameters",), ("parameters", "who"),
    ("parameters", "who", "pattern"), ("permissions", "write"), ("permissions", "network"), ("steps",), ("steps", 0),
    ("steps", 0, "file"), ("steps", 1, "run"), ("steps", 1, "expect"), ("steps", 1, "retry"), ("scenarios",),
    ("scenarios", 0, "parameters"), ("scenarios", 0, "files"), ("scenarios", 0, "facts"),
    ("scenarios", 0, "services"), ("license",), ("name",), ("result",), ("provenance",),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(PLACES), value=json_values)
def test_any_value_anywhere_is_accepted_or_refused(place: tuple[str | int, ...], value: Any) -> None:
    document = pyyaml.safe_load(hostile.MANIFEST)
    target = document
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    if refused := hostile.refusal_of(lambda: checked(pyyaml.safe_dump(document, allow_unicode=True))):
        assert refused.code in RULES
        assert refused.details["file"] in ("experience.yaml", "SKILL.md")


def test_every_code_that_is_raised_stands_in_the_list_of_rules() -> None:
    codes: set[str] = set()
    constants: set[object] = set()
    for path in Path(keiken.package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())) if path.name != "rules.py" else ():
            if isinstance(node, ast.Constant):
                constants.add(node.value)
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "refusal", "path_refusal", "archive_refusal", "refuse", "Problem",
            ):  # fmt: skip
                strings = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                codes.update(text for text in strings if "_" in text)
    assert len(codes) >= 35
    assert codes <= set(RULES)
    assert set(RULES) <= constants

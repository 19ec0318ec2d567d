"""Probing tells what a machine is, asks only tools that are known to be harmless, and never hangs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiken.conditions import parse, probe, tools
from keiken.conditions.probe import UNTOLD, this_machine, tool_version
from keiken.conditions.script import script, sections
from keiken.conditions.vocabulary import KNOWN, key_problem
from keiken.errors import UsageError


def canned(**answers: str) -> object:
    """A machine that answers with these sections, and tells what it was asked."""

    def run(argv: Sequence[str]) -> tuple[int, str]:
        assert list(argv[:2]) == ["sh", "-c"]
        mark = argv[2].split("echo ")[1].split("family")[0]
        body = "".join(f"{mark}{title.replace('__', ' ')}\n{text}\n" for title, text in answers.items())
        return 0, f"{body}{mark}end\n"

    return run


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, object]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(this_machine.__globals__, "TIMEOUT_SECONDS", 60)
        yield dict(probe())


def test_this_machine_is_told_in_bounded_time_and_in_order(facts: dict[str, object]) -> None:
    assert facts["os.family"] == "linux"
    assert facts["os.architecture"] == os.uname().machine
    assert facts["os.kernel"] == os.uname().release
    assert facts["host.cpus"] == len(os.sched_getaffinity(0))
    assert facts["network.loopback"] is True
    assert facts["host.is_root"] is (os.getuid() == 0)
    assert list(facts) == sorted(facts)


def test_every_fact_has_a_known_key_and_kind(facts: dict[str, object]) -> None:
    kinds = {"text": str, "version": str, "number": int, "boolean": bool, "list": list}
    for key, value in facts.items():
        assert key_problem(key) is None, key
        if key in KNOWN and value is not None:
            assert type(value) is kinds[KNOWN[key][0]], key
    assert set(KNOWN) - set(facts) <= {"os.point_release", "python.version"}


def test_tools_tell_their_version_and_absent_ones_are_none(facts: dict[str, object]) -> None:
    said = subprocess.run(["sed", "--version"], capture_output=True, text=True, check=True).stdout
    assert str(facts["tool.sed"]) in said
    assert probe(tools=["surely-not-here"])["tool.surely-not-here"] is None


def test_conditions_can_be_held_against_it(facts: dict[str, object]) -> None:
    (condition,) = parse({"tool.tar": ">=1.0"})
    assert condition.evaluate(facts) == "holds"


CALLED = """#!/bin/sh
touch {canary}
echo "deploy 6.6.6"
"""


def test_a_tool_that_is_not_known_is_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "deploy").write_text(CALLED.format(canary=canary))
    (tmp_path / "deploy").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert probe(tools=["deploy"])["tool.deploy"] == UNTOLD
    assert not canary.exists()
    (tmp_path / "cargo").write_text(CALLED.format(canary=canary))
    (tmp_path / "cargo").chmod(0o755)
    assert probe(tools=["cargo"])["tool.cargo"] == "6.6.6"
    assert canary.exists()


@pytest.mark.parametrize(
    "name",
    ["x; touch canary", "$(touch canary)", "`touch canary`", "-x", "../x", "a b", "a\nb", "x'y", "", "/bin/sh", "é"],
)
def test_a_name_cannot_become_code(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tools.names([name]) == sorted(tools.WELL_KNOWN)
    told = probe(tools=[name])
    assert f"tool.{name}" not in told
    assert list(tmp_path.iterdir()) == []


def test_every_question_is_on_the_list_and_harmless() -> None:
    for name, words in tools.ASKED.items():
        if name == "npm":
            continue
        asked, *flags = words.split()
        assert asked == name
        assert flags[0] in ("--version", "-v", "-V", "-version", "version", "-W")


def test_a_tool_that_hangs_costs_only_its_own_fact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jq").write_text("#!/bin/sh\nsleep 60\n")
    (tmp_path / "jq").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setitem(this_machine.__globals__, "TIMEOUT_SECONDS", 50)
    started = time.monotonic()
    told = probe()
    assert time.monotonic() - started < 50
    assert told["tool.jq"] == UNTOLD
    assert told["tool.tar"] != UNTOLD


def test_a_machine_that_hangs_altogether_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(this_machine.__globals__, "TIMEOUT_SECONDS", 2)
    started = time.monotonic()
    assert this_machine(["sh", "-c", "echo begun; sleep 60 & sleep 60"]) == (124, "begun\n")
    assert this_machine(["sh", "-c", "echo begun; setsid sleep 30 & sleep 60"]) == (124, "begun\n")
    assert time.monotonic() - started < 28
    assert this_machine(["/nonexistent/program"]) == (127, "")


def test_what_a_time_limit_cut_off_stays_unknown() -> None:
    told = sections("@m@family\nLinux\n@m@tool git\ngit version 2.3", "@m@")
    assert told == {"family": "Linux\n"}


def test_a_tool_cannot_forge_the_answers_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho '@keiken@tool openssl'; echo '@0@tool openssl'; echo 9.9.9\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert probe()["tool.openssl"] != "9.9.9"


def test_another_machine_is_told_from_what_it_prints() -> None:
    facts = probe(
        run=canned(  # type: ignore[arg-type]  # a plain function
            family="Linux",
            os='ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble',
            debian="trixie/sid",
            libc="/lib/ld-musl-x86_64.so.1",
            memory="MemTotal:        2048000 kB",
            cpus="4",
            disk="Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 100 50 51200 50% /",
            user="1000",
            container="0::/docker/abc",
            locale="ja_JP.eucJP@x",
            locales="C\nja_JP.utf8",
            loopback="127.0.0.1",
            ipv6="",
            route="Iface Destination\neth0 0000FEA9",
            route6="",
            tool__git="git version 2.43.0",
            absent__jq="",
            tool__dash="",
            files="dash /usr/bin/dash",
            owners="dash: /bin/dash",
            packages="dash 0.5.12-6ubuntu5",
        )
    )
    assert facts == {
        "host.cpus": 4,
        "host.disk_free_mib": 50,
        "host.is_container": True,
        "host.is_root": False,
        "host.memory_mib": 2000,
        "locale.available": ["C", "ja_JP.utf8"],
        "locale.encoding": "EUCJP",
        "locale.language": "ja",
        "locale.territory": "JP",
        "network.default_route": False,
        "network.ipv6": False,
        "network.loopback": True,
        "os.codename": "noble",
        "os.family": "linux",
        "os.id": "ubuntu",
        "os.libc": "musl",
        "os.like": ["debian"],
        "os.point_release": None,
        "os.version": "24.04",
        "tool.dash": "0.5.12-6ubuntu5",
        "tool.git": "2.43.0",
        "tool.jq": None,
    }


def test_a_machine_without_a_shell_has_no_facts() -> None:
    assert probe(run=lambda _argv: (127, "")) == {}


def test_the_script_is_plain_posix_shell() -> None:
    text = script(tools.names(["helm", "npm"]), "@m@")
    assert subprocess.run(["sh", "-n", "-c", text], check=False).returncode == 0
    assert len(text) < 20_000


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("openssl", "OpenSSL 3.0.15 3 Sep 2024 (Library: OpenSSL 3.0.15)", "3.0.15"),
        ("nginx", "nginx version: nginx/1.22.1", "1.22.1"),
        ("ssh", "OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19", "9.2p1"),
        ("sqlite3", "3.40.1 2022-12-28 14:03:47 df5c253c0b3d", "3.40.1"),
        ("perl", "\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64", "5.36.0"),
        ("python3", "Python 3.13.0rc1", "3.13.0rc1"),
        ("node", "v20.20.2", "20.20.2"),
        ("java", 'openjdk version "17.0.15" 2025-04-15', "17.0.15"),
        ("less", "less 590 (GNU regular expressions)", "590"),
        ("npm", '  "version": "10.2.4",', "10.2.4"),
        ("dash", "", UNTOLD),
        ("odd", "no number here", UNTOLD),
    ],
)
def test_the_version_is_found_in_what_a_tool_says(name: str, text: str, version: str) -> None:
    assert tool_version(name, text) == version


EXTRA = """\
acme.region: tokyo
acme.rack: [a1, 2]
acme.is_edge: true
acme.agent: {command: [printf, 'agent version 3.4\\n'], pattern: 'version ([0-9.]+)'}
acme.failing: {command: ['false']}
acme.silent: {command: [echo, nothing], pattern: 'x(.)'}
"""


def test_facts_of_ones_own_are_stated_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "keiken-facts.yaml"
    path.write_text(EXTRA)
    facts = probe(extra_file=path)
    assert {key: value for key, value in facts.items() if key.startswith("acme.")} == {
        "acme.agent": "3.4",
        "acme.failing": None,
        "acme.is_edge": True,
        "acme.rack": ["a1", 2],
        "acme.region": "tokyo",
        "acme.silent": None,
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [", 1, "not valid YAML"),
        ("- a\n", 1, "must be a mapping"),
        ("acme.a: 1\nos.id: mine\n", 2, "use one of your own"),
        ("acme.a: 1\nacme: 1\n", 2, "words joined by dots"),
        ("acme.a: 1\nacme.a: 2\n", 2, "stands twice"),
        ("acme.a:\n", 1, "has no value"),
        ("acme.a: {value: 1}\n", 1, "only 'command' and 'pattern'"),
        ("acme.a: {command: ls}\n", 1, "list of words"),
        ("acme.a: {command: []}\n", 1, "list of words"),
        ("acme.a: {command: [sleep, 1]}\n", 1, "put numbers in quotes"),
        ("acme.a: {command: [ls], pattern: '('}\n", 1, "no regular expression"),
        ("acme.a: {command: [ls], pattern: 3}\n", 1, "no regular expression"),
        ("acme.a: [[1]]\n", 1, "it is text"),
        ("acme.a: !!python/name:os.system x\n", 1, "not valid YAML"),
        ("? [a]\n: 1\n", 1, "words joined by dots"),
        ("acme.a: 2026-11-23\n", 1, "it is text"),
    ],
)
def test_a_bad_file_of_facts_is_refused_with_its_line(text: str, line: int, words: str, tmp_path: Path) -> None:
    path = tmp_path / "keiken-facts.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        probe(extra_file=path, run=lambda _argv: pytest.fail("nothing may run"))
    assert refused.value.code == "facts_invalid"
    assert refused.value.details == {"file": str(path), "line": line}
    assert refused.value.message.startswith(f"{path}, line {line}: ")
    assert words in refused.value.message


def test_a_file_of_facts_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        probe(extra_file=tmp_path / "none.yaml")
    assert refused.value.code == "facts_unreadable"


@given(st.binary(max_size=200) | st.text(st.sampled_from("ab.: \n[]{}&*!-'\""), max_size=60).map(str.encode))
def test_any_file_of_facts_is_read_or_refused(content: bytes) -> None:
    try:
        probe(extra_file=Path("x"), read=lambda _path: content, run=lambda _argv: (1, ""))
    except UsageError as error:
        code = error.code
    else:
        code = "facts_invalid"
    assert code == "facts_invalid"

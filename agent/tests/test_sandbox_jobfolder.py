"""The job folder is read back and written from outside while hostile code may be at work in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandboxes import opened, package_at, perl, shell

from keiken.errors import Failed
from keiken.sandbox import patterns
from keiken.sandbox.jobfolder import READ_LIMIT_BYTES
from keiken.sandbox.protocol import FileState
from keiken.sandbox.session import NamespaceSandbox

pytestmark = pytest.mark.usefixtures("each_driver")

ABSENT = FileState(exists=False)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_at(tmp_path_factory.mktemp("package") / "sample")


@pytest.fixture
def sandbox(package: Path) -> Iterator[NamespaceSandbox]:
    with opened(package) as live:
        yield live


def test_files_read_back_with_content_size_and_mode(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "mkdir -p work/a/b; printf key > work/a/b/k.pem; chmod 600 work/a/b/k.pem; : > work/empty")
    assert sandbox.read("work/a/b/k.pem") == FileState(exists=True, kind="file", size=3, mode="0600", content=b"key")
    assert sandbox.read("work/empty") == FileState(exists=True, kind="file", size=0, mode="0644", content=b"")
    assert sandbox.read("work/a") == FileState(exists=True, kind="folder", mode="0755")
    assert sandbox.read("work").kind == "folder"
    assert sandbox.read("work/none") == ABSENT
    assert sandbox.read("assets/list.csv").content == b"a,b\n1,2\n"
    assert sandbox.read("scripts/hello.sh").mode == "0755"


@pytest.mark.parametrize(
    "path",
    ["", "/", "..", "../etc/passwd", "work/../../etc/passwd", "/etc/passwd", "work//x", "work/./x", "work/\0",
     "a" * 9000, "assets/../work/x", "work/" + "d/" * 3000 + "x", "\udcff", "~/.ssh/id_rsa", "proc/self/environ"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_reads_as_absent(sandbox: NamespaceSandbox, path: str) -> None:
    assert sandbox.read(path) == ABSENT


def test_links_are_seen_and_never_followed(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "ln -s /etc/shadow work/file; ln -s / work/folder; ln -s work work/self; ln -s missing work/dead")
    shell(sandbox, "ln -s ../assets/list.csv work/inside; ln -s /proc/self/environ work/magic; ln work/real work/hard")
    for name in ("file", "folder", "self", "dead", "inside", "magic"):
        assert sandbox.read(f"work/{name}") == FileState(exists=True, kind="other", mode="0777")
    for path in ("work/folder/etc/shadow", "work/folder/etc/passwd", "work/self/file", "work/inside/x"):
        assert sandbox.read(path) == ABSENT
    assert sandbox.paths("work/**") == []


def test_a_fifo_or_socket_blocks_nobody(sandbox: NamespaceSandbox) -> None:
    perl(sandbox, "use Socket; socket(my $s,AF_UNIX,SOCK_STREAM,0); bind($s, sockaddr_un('/job/work/socket'))")
    shell(sandbox, "mkfifo work/fifo")
    started = time.monotonic()
    assert sandbox.read("work/fifo").kind == "other"
    assert sandbox.read("work/socket").kind == "other"
    assert sandbox.paths("work/*") == []
    assert time.monotonic() - started < 30


def test_what_is_too_large_has_a_size_and_no_content(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "dd if=/dev/zero of=work/sparse bs=1 count=0 seek=60M 2>/dev/null")
    assert sandbox.read("work/sparse") == FileState(exists=True, kind="file", size=60 << 20, mode="0644")
    shell(sandbox, f"dd if=/dev/zero of=work/full bs=1 count=0 seek={READ_LIMIT_BYTES} 2>/dev/null")
    assert len(sandbox.read("work/full").content or b"") == READ_LIMIT_BYTES


def test_an_unreadable_file_is_told_as_it_is(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "echo x > work/closed; chmod 000 work/closed")
    state = sandbox.read("work/closed")
    assert (state.exists, state.kind, state.mode) == (True, "file", "0000")


def test_very_deep_and_very_many_files_are_bounded(sandbox: NamespaceSandbox) -> None:
    perl(sandbox, "chdir 'work'; for (1..700) { mkdir 'd'; chdir 'd' } open(my $f,'>','deep')")
    perl(sandbox, "for (1..6000) { open(my $f,'>',\"work/n$_\") }")
    started = time.process_time()
    found = sandbox.paths("work/**")
    assert len(found) == 5000
    assert found == sorted(found)
    assert sandbox.read("work/" + "d/" * 700 + "deep").exists
    assert time.process_time() - started < 2
    sandbox.remove("work/d")
    assert sandbox.read("work/d") == ABSENT


def test_names_that_are_no_text_are_left_out(sandbox: NamespaceSandbox) -> None:
    perl(
        sandbox,
        'open(my $f,">","work/\\xff\\xfe"); open($f,">","work/line\\nbreak"); open($f,">","work/\\xe7\\xb5\\x8c")',
    )
    assert sandbox.paths("work/*") == ["work/line\nbreak", "work/経"]


def test_a_race_of_file_and_link_never_shows_what_the_link_points_to(sandbox: NamespaceSandbox) -> None:
    script = (
        "chdir 'work'; symlink('/etc','link');"
        "while (1) { rename('a','b'); symlink('/etc','a'); unlink 'a'; rename('b','a') }"
    )
    sandbox.write("work/a/passwd", b"mine", 0o644)
    sandbox.start(["perl", "-e", script], env={})
    seen: set[bytes | None] = set()
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < 0.5 or (b"mine" not in seen and passed < 30):
        seen.add(sandbox.read("work/a/passwd").content)
        sandbox.paths("work/**")
    refusals = set()
    for _turn in range(200):
        try:
            sandbox.write("work/a/new", b"new", 0o644)
        except Failed as refused:
            refusals.add(refused.code)
    assert refusals <= {"file_not_written"}
    assert seen <= {None, b"mine"}
    assert b"mine" in seen


def test_written_files_belong_to_the_job_and_folders_are_made(sandbox: NamespaceSandbox) -> None:
    sandbox.write("work/new/deep/site.conf", "経験\n".encode(), 0o640)
    assert sandbox.read("work/new/deep/site.conf").mode == "0640"
    changed = shell(
        sandbox, "cat work/new/deep/site.conf; echo more >> work/new/deep/site.conf && mv work/new work/old"
    )
    assert (changed.exit_code, changed.stdout) == (0, "経験\n".encode())
    sandbox.write("work/old/deep/site.conf", b"again", 0o600)
    assert sandbox.read("work/old/deep/site.conf").content == b"again"


def test_writing_replaces_a_link_and_never_goes_through_one(sandbox: NamespaceSandbox, tmp_path: Path) -> None:
    target = tmp_path / "outside"
    target.write_text("untouched", encoding="utf-8")
    shell(sandbox, f"ln -s {target} work/link; ln -s {tmp_path} work/folder; ln -s /tmp work/tmp; mkfifo work/fifo")
    sandbox.write("work/link", b"new", 0o644)
    assert sandbox.read("work/link").content == b"new"
    for path in ("work/folder/outside", "work/tmp/x/y"):
        with pytest.raises(Failed) as refused:
            sandbox.write(path, b"changed", 0o644)
        assert refused.value.code == "file_not_written"
    sandbox.write("work/fifo", b"plain now", 0o644)
    assert sandbox.read("work/fifo").content == b"plain now"
    assert target.read_text(encoding="utf-8") == "untouched"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]


@pytest.mark.parametrize(
    "path", ["SKILL.md", "assets/x", "work", "work/", "work/..", "work/../assets/x", "/etc/x", "work/a/../b", "work/\0"]
)
def test_only_paths_below_work_may_be_written_or_removed(sandbox: NamespaceSandbox, path: str) -> None:
    for act in (lambda: sandbox.write(path, b"x", 0o644), lambda: sandbox.remove(path)):
        with pytest.raises(Failed) as refused:
            act()
        assert refused.value.code == "path_not_writable"
    assert sandbox.paths("**") == ["SKILL.md", "assets/list.csv", "scripts/hello.sh"]


def test_a_full_disk_is_told_and_leaves_no_half_file(package: Path) -> None:
    with opened(package, work_mib=1) as sandbox:
        sandbox.write("work/kept", b"before", 0o644)
        with pytest.raises(Failed) as refused:
            sandbox.write("work/kept", bytes(2 << 20), 0o644)
        assert refused.value.code == "file_not_written"
        assert "No space left" in refused.value.message
        assert sandbox.read("work/kept").content == b"before"
        assert shell(sandbox, "ls -A work").stdout == b"kept\n"


def test_removing_takes_files_folders_and_links_but_not_what_they_point_to(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "mkdir -p work/a/b work/kept; echo x > work/a/b/c; echo y > work/kept/y; ln -s kept work/link")
    for path in ("work/a", "work/link", "work/never-there", "work/-rf"):
        sandbox.remove(path)
    assert sandbox.paths("work/**") == ["work/kept/y"]
    assert not sandbox.read("work/link").exists


def test_what_cannot_be_removed_is_told(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "mkdir work/locked; echo x > work/locked/x; chmod 500 work/locked")
    with pytest.raises(Failed) as refused:
        sandbox.remove("work/locked/x")
    assert refused.value.code == "file_not_removed"
    assert sandbox.read("work/locked/x").content == b"x\n"


def test_the_package_is_a_copy_nobody_can_change_under_a_running_replay(tmp_path: Path) -> None:
    package = package_at(tmp_path / "sample")
    (package / "assets" / "link").symlink_to("/etc/passwd")
    (package / "work").mkdir()
    (package / "work" / "stale").write_text("stale", encoding="utf-8")
    os.mkfifo(package / "assets" / "fifo")
    with opened(package) as sandbox:
        (package / "assets" / "list.csv").write_text("changed", encoding="utf-8")
        assert sandbox.read("assets/list.csv").content == b"a,b\n1,2\n"
        assert sandbox.paths("**") == ["SKILL.md", "assets/list.csv", "scripts/hello.sh"]
        denied = shell(sandbox, "echo x > assets/list.csv; echo x > assets/new; chmod 777 assets")
        assert denied.exit_code != 0
        assert sandbox.read("assets/list.csv").content == b"a,b\n1,2\n"


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("work/*.pem", ["work/a.pem"]),
        ("work/**/*.pem", ["work/a.pem", "work/x/b.pem", "work/x/y/c.pem"]),
        ("work/**", ["work/a.pem", "work/x/b.pem", "work/x/y/c.pem"]),
        ("work/?.pem", ["work/a.pem"]),
        ("work/x/[a-c].pem", ["work/x/b.pem"]),
        ("work/x/[!b].pem", []),
        ("**/c.pem", ["work/x/y/c.pem"]),
        ("work/x", []),
        ("work/*", ["work/a.pem"]),
        ("work/[", []),
    ],
)
def test_globs_stay_within_a_name_unless_doubled(pattern: str, matched: list[str]) -> None:
    paths = ["work/a.pem", "work/x/b.pem", "work/x/y/c.pem"]
    assert [path for path in paths if patterns.matches(pattern, path)] == matched


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_pattern_raises_or_takes_long(pattern: str, path: str) -> None:
    started = time.process_time()
    patterns.matches(pattern, path)
    patterns.matches("*a" * 20 + "b", "a" * 200)
    assert time.process_time() - started < 1


@given(st.from_regex(r"[a-z.\[\]*?経-]{1,12}(/[a-z.*]{1,6}){0,3}", fullmatch=True))
def test_a_name_without_special_characters_matches_only_itself(name: str) -> None:
    if not set(name) & set("*?["):
        assert patterns.matches(name, name)
        assert not patterns.matches(name, name + "x")

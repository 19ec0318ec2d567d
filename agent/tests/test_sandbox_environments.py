"""Environments: pinned by digest, checked when opened, built once however many ask."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sandboxes import opened, package_at, perl, processes_mentioning, shell, until

import keiken
from keiken.errors import SandboxUnavailable, UsageError
from keiken.sandbox import cgroup, debian, environments, local, tree
from keiken.sandbox.inside import executables
from keiken.sandbox.recipe import Recipe, recipes


def small_tree(recipe: Recipe, target: Path, progress: object, system: Path | None = None) -> None:
    """Stands for the half minute of mmdebstrap; the folder around it is the real thing."""
    (target / "usr/bin").mkdir(parents=True)
    (target / "job").mkdir()
    (target / "usr/bin/tool").write_text("tool", encoding="utf-8")
    (target / "usr/bin/tool").chmod(0o755)
    (target / "link").symlink_to("usr/bin/tool")
    target.with_name("sources.list").write_text("", encoding="utf-8")
    time.sleep(0.1)


def small_system(suite: str, target: Path, progress: object) -> None:
    target.mkdir()
    (target / "suite").write_text(suite, encoding="utf-8")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "build_root", small_tree)
    monkeypatch.setattr(debian, "build_system", small_system)
    monkeypatch.setattr(debian, "check_buildable", lambda: None)
    monkeypatch.setattr(environments, "probed", lambda environment, tools: {"os.family": "linux"})
    return tmp_path / "cache"


def test_every_recipe_is_complete() -> None:
    assert set(recipes()) >= {
        "debian-12", "debian-12-browser", "debian-12-data", "debian-12-ja", "debian-12-python", "debian-12-web",
    }  # fmt: skip
    for name, recipe in recipes().items():
        assert recipe.name == name
        assert recipe.suite in ("bookworm", "trixie")
        assert recipe.description.endswith(".")
        assert set(recipe.probes)


def test_a_listing_does_not_depend_on_times_but_on_all_else(tmp_path: Path) -> None:
    small_tree(recipes()["debian-12"], tmp_path / "a" / "root", None)
    small_tree(recipes()["debian-12"], tmp_path / "b" / "root", None)
    first = list(tree.listing(tmp_path / "a" / "root"))
    os.utime(tmp_path / "b" / "root" / "usr", (1, 1))
    assert list(tree.listing(tmp_path / "b" / "root")) == first
    (tmp_path / "b" / "root" / "usr/bin/tool").chmod(0o4755)
    assert list(tree.listing(tmp_path / "b" / "root")) != first


def test_an_environment_is_built_once_and_found_again(cache: Path) -> None:
    said: list[str] = []
    built = environments.build("debian-12", said.append)
    assert built.root == cache / "environments" / "debian-12" / built.digest.removeprefix("sha256:") / "root"
    assert built.facts == {"os.family": "linux"}
    assert any(built.digest in text for text in said)
    assert environments.build("debian-12", lambda text: pytest.fail(text)) == built
    assert environments.get("debian-12") == built
    assert {row.name for row in environments.available()} == {*recipes(), "local"}
    assert {row.name for row in environments.available() if row.built} == {"debian-12", "local"}


def test_two_that_build_at_once_make_one(cache: Path) -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(environments.build("debian-12").digest)) for _n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert len(made) == 4
    kept = [path.name for path in (cache / "environments" / "debian-12").iterdir() if path.name != ".lock"]
    assert kept == [made[0].removeprefix("sha256:")]


def test_what_a_killed_build_left_is_swept_by_the_next(cache: Path) -> None:
    code = (
        "import time\nfrom keiken.sandbox import debian, environments\n"
        "debian.check_buildable = lambda: None\n"
        "def half(recipe, target, progress, system):\n"
        " target.mkdir(); (target / 'half').write_text('x'); print('half', flush=True); time.sleep(60)\n"
        "debian.build_root = half\nenvironments.build('debian-12')"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(keiken.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    base = cache / "environments" / "debian-12"
    assert len(list(base.glob(".building-*"))) == 1
    built = environments.build("debian-12")
    assert list(base.glob(".building-*")) == []
    assert (built.root / "usr/bin/tool").is_file()


def test_a_changed_file_is_noticed_when_it_is_opened(cache: Path) -> None:
    built = environments.build("debian-12")
    environments.verify("debian-12")
    (built.root / "usr/bin/tool").write_text("evil", encoding="utf-8")
    environments._checked.clear()
    for act in (lambda: environments.get("debian-12"), lambda: environments.verify("debian-12")):
        with pytest.raises(SandboxUnavailable) as refused:
            act()
        assert refused.value.code == "environment_damaged"


def test_a_full_check_notices_what_size_and_time_hide(cache: Path) -> None:
    built = environments.build("debian-12")
    tool = built.root / "usr/bin/tool"
    before = tool.stat()
    tool.write_text("tooX", encoding="utf-8")
    os.utime(tool, ns=(before.st_atime_ns, before.st_mtime_ns))
    environments._checked.clear()
    environments.get("debian-12")
    with pytest.raises(SandboxUnavailable) as refused:
        environments.verify("debian-12")
    assert refused.value.code == "environment_damaged"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    for name in ("debian-99", "../debian-12", "", "local/.."):
        with pytest.raises(UsageError) as refused:
            environments.get(name)
        assert refused.value.code == "unknown_environment"
        assert "debian-12" in refused.value.advice


def test_where_nothing_can_be_built_local_stands_in_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "cache"))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **rest: None if name == "mmdebstrap" else which(name, **rest))
    with pytest.raises(SandboxUnavailable) as refused:
        environments.get("debian-12")
    assert refused.value.code == "environment_not_buildable"
    assert refused.value.advice
    stand_in = environments.get_or_local("debian-12")
    assert stand_in.name == "local"
    assert stand_in.facts["os.family"] == "linux"
    assert stand_in.digest.startswith("sha256:")


def test_local_shows_the_machines_programs_and_none_of_its_secrets(tmp_path: Path) -> None:
    environment = environments.get("local")
    with opened(package_at(tmp_path / "sample"), environment=environment) as sandbox:
        assert shell(sandbox, "id -un").stdout == b"job\n"
        listed = shell(sandbox, "ls /etc/shadow /etc/ssh /etc/apt /home/root /var/lib/dpkg 2>/dev/null")
        assert listed.stdout == b""
        assert perl(sandbox, "open(my $f,'>','/usr/x') and exit 1; exit 0").exit_code == 0
        assert shell(sandbox, "cat /etc/ssl/private/* /etc/ssl/certs/*snakeoil* 2>/dev/null").stdout == b""


def test_the_skeleton_of_local_holds_no_private_key(tmp_path: Path) -> None:
    local.build_root(tmp_path / "root")
    for path in (tmp_path / "root").rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"PRIVATE KEY" not in path.read_bytes()
    assert not (tmp_path / "root/etc/shadow").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Types: deb\nURIs: http://mirror.test/debian\nSuites: trixie\nComponents: main\n",
         "deb http://mirror.test/debian bookworm main\ndeb http://mirror.test/debian bookworm-updates main\n"),
        ("Types: deb\nURIs: http://mirror.test/debian-security/\nSuites: x\n",
         "deb http://mirror.test/debian-security/ bookworm-security main\n"),
        ("Types: deb\nEnabled: no\nURIs: http://mirror.test/debian\n", ""),
        ("Types: deb-src\nURIs: http://mirror.test/debian\n", ""),
        ("Types: deb\nURIs: http://mirror.test/node_20.x\nSuites: nodistro\n", ""),
    ],
    ids=["archive", "security", "disabled", "sources-only", "another-vendor"],
)  # fmt: skip
def test_only_debians_own_archives_are_taken_from_the_machine(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    monkeypatch.setattr(debian, "_text", lambda path: text if path.name == "debian.sources" else "")
    found = {"sources.list.d/*.sources": ["debian.sources"]}
    monkeypatch.setattr(debian.Path, "glob", lambda self, wanted: [self / name for name in found.get(wanted, [])])
    assert debian.sources("bookworm") == expected


def test_the_v2_group_that_hands_limits_down_is_found_upwards(tmp_path: Path) -> None:
    """A tree shaped like a user's systemd session, whose own scope cannot hand controllers down."""
    scope = tmp_path / "user.slice" / "user@1000.service" / "app.slice" / "term.scope"
    scope.mkdir(parents=True)
    for folder, controllers, handed in (
        (scope, "memory pids", ""),
        (scope.parent, "cpu memory pids", "cpu memory pids"),
        (scope.parent.parent, "cpu memory pids", "memory pids"),
    ):
        (folder / "cgroup.controllers").write_text(controllers, encoding="utf-8")
        (folder / "cgroup.subtree_control").write_text(handed, encoding="utf-8")
    (scope / "cgroup.subtree_control").chmod(0o444)
    if os.geteuid() != 0:  # root writes anything, and a plain file takes the words a busy group refuses
        assert cgroup.v2_parent(str(scope), str(tmp_path)) == str(scope.parent)
    assert cgroup.v2_parent(str(scope.parent), str(tmp_path)) == str(scope.parent)
    (scope.parent / "cgroup.subtree_control").write_text("", encoding="utf-8")
    (scope.parent / "cgroup.controllers").write_text("cpu", encoding="utf-8")
    assert cgroup.v2_parent(str(scope.parent), str(tmp_path)) == str(scope.parent.parent)
    assert cgroup.v2_parent(str(tmp_path / "user.slice"), str(tmp_path)) is None


def test_interpreters_and_companions_of_a_declared_command_may_be_executed(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "run"
    script.write_text("#!/usr/bin/env perl\n", encoding="utf-8")
    found = executables(["scripts/run", "tar"], str(tmp_path))
    assert str(script) in found
    assert {"/usr/bin/env", "/usr/bin/perl"} <= set(found)
    assert any(path.endswith("/gzip") for path in found)
    assert not any(path.endswith("/python3") for path in found)


OWNER = """
import sys
from keiken.sandbox import debian
def say(text):
    print(text)
    if sys.argv[2] == "gives up":
        raise KeyboardInterrupt
try:
    debian._run_mmdebstrap(["sh", "-c", sys.argv[1]], say)
except KeyboardInterrupt:
    sys.stdin.read()
"""


@pytest.mark.parametrize("owner_then", ["is killed", "gives up"])
def test_a_build_ends_with_its_owner_and_nothing_stays_mounted(tmp_path: Path, owner_then: str) -> None:
    work = f"mount -t tmpfs none {tmp_path} && touch {tmp_path}/seen && echo 'I: begun' >&2; sleep 300 & wait"
    as_root = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
    argv = [*as_root, sys.executable, "-uc", OWNER, work, owner_then]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"begun\n"
        if owner_then == "is killed":
            owner.kill()
            owner.wait()
        assert until(lambda: set(processes_mentioning(str(tmp_path))) <= {owner.pid})
        owner.kill()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert list(tmp_path.iterdir()) == []

"""Recipes: an operator's own beside ours, and what is refused with its place."""

from __future__ import annotations

import errno
import gzip
import threading
from pathlib import Path

import pytest
from test_sandbox_environments import cache, small_system, small_tree

from keiken.errors import SandboxUnavailable, UsageError
from keiken.sandbox import building, debian, environments, sharing, tree
from keiken.sandbox.recipe import VARIABLE, Recipe, recipes

__all__ = ["cache"]

OWN = """name: our-server
description: Our own.
base: debian-12
packages:
  - tree
locales: []
files:
  /etc/motd: "hello\\n"
probes: [tree]
"""


def _with(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    file = folder / "own.yaml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(folder))
    return file


def test_an_operators_recipe_stands_beside_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipes()
    _with(tmp_path, monkeypatch, OWN)
    own = recipes()["our-server"]
    assert own.packages == tuple(sorted({*before["debian-12"].packages, "tree"}))
    assert own.locales == ("ja_JP.UTF-8",)
    assert own.files == (("/etc/motd", "hello\n"),)
    assert {name: recipe for name, recipe in recipes().items() if name != "our-server"} == before


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        (OWN.replace("tree\nlocales", "--simulate\nlocales"), 4, "packages.0"),
        (OWN.replace("[tree]", "[../../bin/sh]"), 9, "probes.0"),
        (OWN.replace("locales: []", "locales: ['x; reboot']"), 6, "locales.0"),
        (OWN.replace("/etc/motd", "/etc/../../root/x"), 7, "files./etc/../../root/x"),
        (OWN.replace("our-server", "Our Server"), 1, "name"),
        (OWN.replace("our-server", "debian-12"), 1, "name"),
        (OWN.replace("our-server", "local"), 1, "name"),
        (OWN.replace("base: debian-12", "base: debian-99"), 3, "base"),
        (OWN.replace("base: debian-12", "base: our-server"), 3, "base"),
        (OWN + "hook: rm -rf /\n", 10, "hook"),
        (OWN.replace("description: Our own.\n", ""), 1, "description"),
        (OWN + "a: [1\n", 11, ""),
        ("- a list\n", 1, ""),
        (OWN + "#" * 70_000, 1, ""),
    ],
)
def test_a_bad_recipe_is_refused_with_file_line_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, field: str
) -> None:
    file = _with(tmp_path, monkeypatch, text)
    with pytest.raises(UsageError) as refused:
        recipes()
    assert refused.value.code == "bad_recipe"
    assert refused.value.details == {"file": str(file), "line": line, "field": field}
    assert f"{file}:{line}" in refused.value.message
    assert refused.value.advice


def test_a_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(UsageError) as refused:
        recipes()
    assert refused.value.code == "recipes_folder_missing"


def test_only_what_decides_the_files_changes_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for number, text in enumerate((OWN, OWN.replace("Our own", "Ours"), OWN.replace("hello", "bye"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        _with(folder, monkeypatch, text)
        digests.append(recipes()["our-server"].digest())
    assert digests[0] == digests[1] != digests[2]


def larger(recipe: Recipe, target: Path, progress: object, system: Path | None = None) -> None:
    small_tree(recipe, target, progress)
    (target / "usr/bin/common").write_bytes(b"x" * 5000)
    (target / "usr/bin/own").write_bytes(recipe.name.ljust(5000).encode())


def test_what_two_environments_have_in_common_is_stored_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "build_root", larger)
    alone = environments.build("debian-12-web")
    said: list[str] = []
    second = environments.build("debian-12-data", said.append)
    inode = [(one.root / "usr/bin/common").stat().st_ino for one in (alone, second)]
    assert inode[0] == inode[1]
    assert (alone.root / "usr/bin/own").stat().st_ino != (second.root / "usr/bin/own").stat().st_ino
    assert any("shares 1 files" in text for text in said)
    for name in ("debian-12-web", "debian-12-data"):
        environments.verify(name)


def test_several_are_built_at_the_same_time_and_share_all_the_same(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def beside_the_other(recipe: Recipe, target: Path, progress: object, system: Path | None = None) -> None:
        both.wait(timeout=60)
        larger(recipe, target, progress)

    monkeypatch.setattr(debian, "build_root", beside_the_other)
    names = ["debian-12-web", "debian-12-data"]
    made = environments.build_each(names)
    assert [one.name for one in made] == names
    assert len({(one.root / "usr/bin/common").stat().st_ino for one in made}) == 1
    assert environments.build_each([]) == []
    with pytest.raises(UsageError) as unknown:
        environments.build_each([*names, "debian-11"])
    assert unknown.value.code == "unknown_environment"


def test_what_several_begin_with_is_made_once_and_gone_afterwards(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems: list[Path | None] = []

    def copied(recipe: Recipe, target: Path, progress: object, system: Path | None = None) -> None:
        assert system is None or (system / "suite").read_text(encoding="utf-8") == "bookworm"
        systems.append(system)
        small_tree(recipe, target, progress)

    monkeypatch.setattr(debian, "build_root", copied)
    kept = cache / "environments" / ".systems" / "bookworm"
    (kept / ".building-1" / "root").mkdir(parents=True)  # of one that was killed
    environments.build_each(["debian-12"])
    assert systems == [None]
    environments.build_each(["debian-12", "debian-12-web", "debian-12-data"])
    assert len(systems) == 3
    assert systems[1] == systems[2] != kept / ".building-1" / "root"
    assert [path.name for path in kept.iterdir()] == [".lock"]


def test_where_it_cannot_be_made_none_is_built(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_system(suite: str, target: Path, progress: object) -> None:
        small_system(suite, target, progress)
        raise SandboxUnavailable("environment_build_failed", "no")

    monkeypatch.setattr(debian, "build_system", no_system)
    with pytest.raises(SandboxUnavailable) as refused:
        environments.build_each(["debian-12-web", "debian-12-data"])
    assert refused.value.code == "environment_build_failed"
    assert {path.name for path in (cache / "environments").rglob("*")} == {".systems", "bookworm", ".lock"}


def test_one_that_cannot_be_built_is_told_and_keeps_no_other_from_its_end(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_web(recipe: Recipe, target: Path, progress: object, system: Path | None = None) -> None:
        if recipe.name == "debian-12-web":
            raise SandboxUnavailable("environment_build_failed", "no")
        larger(recipe, target, progress)

    monkeypatch.setattr(debian, "build_root", not_web)
    with pytest.raises(SandboxUnavailable) as refused:
        environments.build_each(["debian-12-web", "debian-12-data"])
    assert refused.value.code == "environment_build_failed"
    assert environments.get("debian-12-data").root.is_dir()
    assert [path.name for path in (cache / "environments" / "debian-12-web").iterdir()] == [".lock"]


def test_a_file_that_was_changed_since_is_not_shared(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "root").mkdir(parents=True)
        (tmp_path / name / "root" / "file").write_bytes(b"x" * 5000)
    lines = list(tree.listing(tmp_path / "a" / "root"))
    (tmp_path / "a" / "listing.gz").write_bytes(gzip.compress(b"".join(lines)))
    (tmp_path / "a" / "root" / "file").write_bytes(b"y" * 5000)
    assert sharing.share(tmp_path / "b" / "root", lines, [tmp_path / "a"]) == (0, 0)
    assert (tmp_path / "b" / "root" / "file").read_bytes() == b"x" * 5000


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_clear_refusal_that_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch, trouble: int
) -> None:
    def full(recipe: Recipe, target: Path, progress: object, system: Path | None = None) -> None:
        small_tree(recipe, target, progress)
        raise OSError(trouble, "full")

    monkeypatch.setattr(debian, "build_root", full)
    with pytest.raises(SandboxUnavailable) as refused:
        environments.build("debian-12")
    assert refused.value.code == "disk_full"
    assert [path.name for path in (cache / "environments" / "debian-12").iterdir()] == [".lock"]


def test_too_little_room_is_said_before_anything_is_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_free_mib", lambda folder: 100)
    monkeypatch.setattr(debian, "build_root", lambda *given: pytest.fail("fetched"))
    with pytest.raises(SandboxUnavailable) as refused:
        environments.build("debian-12")
    assert refused.value.code == "disk_full"
    assert "100 MiB" in refused.value.message


def test_a_recipes_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "etc").symlink_to(tmp_path / "outside")
    with pytest.raises(SandboxUnavailable) as refused:
        debian._write_own("our-server", tmp_path / "root", "/etc/motd", "hello")
    assert refused.value.code == "recipe_file_misplaced"
    assert list((tmp_path / "outside").iterdir()) == []
    debian._write_own("our-server", tmp_path / "root", "/opt/own/motd", "hello")
    assert (tmp_path / "root/opt/own/motd").read_text(encoding="utf-8") == "hello"


def test_without_a_network_the_refusal_repeats_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if debian.os.geteuid() != 0:
        pytest.fail("environments are built by root")
    monkeypatch.setattr(debian, "sources", lambda suite: f"deb http://127.0.0.1:9/debian {suite} main\n")
    monkeypatch.setattr(debian, "_machine_options", lambda: ['Acquire::Retries "0";'])
    (tmp_path / "made").mkdir()
    with pytest.raises(SandboxUnavailable) as refused:
        debian.build_root(recipes()["debian-12-web"], tmp_path / "made" / "root", lambda text: None)
    assert refused.value.code == "environment_build_failed"
    assert refused.value.advice

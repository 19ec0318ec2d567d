"""Whatever an archive holds, it is refused with its rule or unpacked where it belongs, and nothing else happens."""

from __future__ import annotations

import os
import time
from pathlib import Path

import hostile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keiken.errors import PackageError
from keiken.package import unpack
from keiken.package.rules import RULES

GOOD = hostile.archive()


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_a_hostile_archive_is_refused_by_its_rule_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    data, code = hostile.HOSTILE[name]
    (tmp_path / "canary").write_text("untouched")
    started = time.monotonic()
    with pytest.raises(PackageError) as refused:
        unpack(data, tmp_path / "inside" / "package")
    assert time.monotonic() - started < 20
    error = refused.value
    assert error.code == code, error.message
    assert error.code in RULES
    assert error.message.endswith(".")
    assert error.message.isprintable()
    assert error.details["rule"] == code
    assert error.details["file"]
    assert error.details["file"] in error.message
    assert tree(tmp_path) == ["canary"]
    assert (tmp_path / "canary").read_text() == "untouched"


@pytest.mark.parametrize("name", [name for name in hostile.HOSTILE if name.startswith("YAML") and "list" not in name])
def test_a_refusal_of_yaml_names_the_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError) as refused:
        unpack(hostile.HOSTILE[name][0], tmp_path / "package")
    if refused.value.code != "yaml_too_large" or refused.value.details["line"]:
        assert refused.value.details["line"] >= 1
        assert f"line {refused.value.details['line']}" in refused.value.message


def test_the_valid_archive_beside_them_is_accepted(tmp_path: Path) -> None:
    package = unpack(GOOD, tmp_path / "package")
    assert package.manifest.name == "greet"
    assert tree(tmp_path / "package") == ["SKILL.md", "experience.yaml"]


def test_an_archive_of_gnu_tar_without_extensions_is_accepted(tmp_path: Path) -> None:
    import tarfile

    data = hostile.archive(
        hostile.entry("assets/", type=tarfile.DIRTYPE, mode=0o700),
        hostile.entry("assets/run.sh", b"#!/bin/sh\n", mode=0o4777, uid=1234, uname="root", mtime=99),
        form=tarfile.GNU_FORMAT,
    )
    package = unpack(data, tmp_path / "package")
    assert package.files["assets/run.sh"] == 10
    status = (tmp_path / "package/assets/run.sh").stat()
    assert oct(status.st_mode) == "0o100755"
    assert status.st_uid == os.getuid()
    assert oct((tmp_path / "package/assets").stat().st_mode) == "0o40755"


def test_a_refusal_leaves_an_empty_destination_empty(tmp_path: Path) -> None:
    destination = tmp_path / "package"
    destination.mkdir()
    with pytest.raises(PackageError):
        unpack(hostile.HOSTILE["symlink"][0], destination)
    assert tree(tmp_path) == ["package"]


@pytest.mark.parametrize("kind", ["file", "full", "link", "dead link"])
def test_a_destination_that_is_not_free_is_refused_and_kept(kind: str, tmp_path: Path) -> None:
    destination = tmp_path / "package"
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        destination.write_text("mine")
    elif kind == "full":
        destination.mkdir()
        (destination / "mine").write_text("mine")
    else:
        destination.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    before = tree(tmp_path)
    with pytest.raises(PackageError) as refused:
        unpack(GOOD, destination)
    assert refused.value.code == "destination_not_empty"
    assert tree(tmp_path) == before


packed = st.binary(max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(GOOD) - 1), patch=packed, removed=st.integers(0, 40))
def test_a_mutated_archive_is_refused_or_harmless(position: int, patch: bytes, removed: int, tmp_path: Path) -> None:
    _refused_or_inside(GOOD[:position] + patch + GOOD[position + removed :], tmp_path)


TAR = hostile.tar()[:3072]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    position=st.integers(0, 1535),
    patch=st.one_of(packed, st.sampled_from([b"../", b"/etc/x", b"\0", b"\xff", b"7777", b"ustar\x0000", b"5", b"L"])),
    repair=st.booleans(),
)
def test_a_mutated_tar_is_refused_or_harmless(position: int, patch: bytes, repair: bool, tmp_path: Path) -> None:
    data = bytearray(hostile.tar())
    data[position : position + len(patch)] = patch
    if repair:
        header = data[:512]
        header[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(header)
    _refused_or_inside(hostile.pack(bytes(data)), tmp_path)


def _refused_or_inside(data: bytes, tmp_path: Path) -> None:
    destination = tmp_path / "a" / "b" / f"package{len(tree(tmp_path))}"
    before = tree(tmp_path)
    if refused := hostile.refusal_of(lambda: unpack(data, destination)):
        assert refused.code in RULES
        assert tree(tmp_path) == before
        return
    inside = {path for path in tree(tmp_path) if path.startswith(str(destination.relative_to(tmp_path)))}
    assert set(tree(tmp_path)) - set(before) <= inside | {"a", "a/b"}
    assert {"SKILL.md", "experience.yaml"} <= set(tree(destination))
    assert not any(path.is_symlink() for path in destination.rglob("*"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_archive_are_refused(data: bytes) -> None:
    with pytest.raises(PackageError):
        unpack(data, Path("/nonexistent/never/made"))
    assert not Path("/nonexistent").exists()

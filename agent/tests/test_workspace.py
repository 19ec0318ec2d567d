"""Temporary folders with packages go with the process that made them, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from keiken.workspace import sweep, workspace


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return


def held_by_another(folder: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys\nfrom keiken.workspace import workspace\n"
        "with workspace() as made:\n    (made / 'package').mkdir()\n    print(made, flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip()
    return process


def test_it_is_the_callers_own_and_gone_afterwards(tmp_path: Path) -> None:
    with workspace() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert sweep(older_than_seconds=0) == 0
        (folder / "package").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    killed, living = held_by_another(tmp_path), held_by_another(tmp_path)
    try:
        killed.kill()
        killed.wait(30)
        assert len(list(tmp_path.iterdir())) == 2
        assert sweep() == 0
        assert sweep(older_than_seconds=0) == 1
        (left,) = tmp_path.iterdir()
        assert (left / "package").is_dir()
    finally:
        living.communicate(b"", timeout=30)
    assert list(tmp_path.iterdir()) == []


def test_a_link_under_such_a_name_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "keiken-job-link").symlink_to(target)
    assert sweep(older_than_seconds=0) == 0
    assert target.is_dir()

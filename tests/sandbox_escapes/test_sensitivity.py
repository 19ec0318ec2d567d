"""The suite would notice: where one wall is taken away, the attacks that it held back get through, seen by the same eyes."""

from __future__ import annotations

import dataclasses
import secrets
import struct
from pathlib import Path

import pytest

from keiken.sandbox import seccomp
from keiken.sandbox.protocol import Driver
from tests.sandbox_escapes import package
from tests.sandbox_escapes.attack import Place, Seen
from tests.sandbox_escapes.attacks import ATTACKS

_BY_NAME = {attack.name: attack for attack in ATTACKS}
_ALLOW_ALL = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF_0000)  # BPF_RET | BPF_K, SECCOMP_RET_ALLOW
_ENOUGH = {
    "fork_bomb": {"pids": 128},
    "memory_bomb": {"memory_mib": 512},
    "disk_fill": {"work_mib": 64},
    "inode_fill": {"work_inodes": 20_000},
    "large_file": {"work_mib": 64, "file_mib": 64},
    "output_flood": {"output_killed_bytes": 64 << 20},
}


def _tried(name: str, driver: Driver, folder: Path, limits: dict[str, int]) -> tuple[str, Seen, bool]:
    attack = _BY_NAME[name]
    attack = dataclasses.replace(attack, limits={**attack.limits, **limits})
    place = Place(folder=folder, driver=driver, marker=f"escape-{secrets.token_hex(10)}")
    with attack.outside(place) as outside:
        verdict, seen = package.attempt(attack, driver, place, outside)
    return verdict.verdict, seen, attack.got_through(seen)


_FILTERED = [name for name in ("int_0x80", "io_uring", "kcmp", "personality", "ptrace", "vsock") if name in _BY_NAME]


@pytest.mark.parametrize("name", _FILTERED)
def test_an_open_filter_is_noticed(name: str, driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "program", lambda: _ALLOW_ALL)
    verdict, seen, got_through = _tried(name, driver, tmp_path, {})
    assert (verdict, got_through) == ("failed", True), seen.text


@pytest.mark.parametrize("name", sorted(_ENOUGH))
def test_a_limit_that_is_no_limit_is_noticed(name: str, driver: Driver, tmp_path: Path) -> None:
    _verdict, seen, got_through = _tried(name, driver, tmp_path, _ENOUGH[name])
    assert got_through, seen.text

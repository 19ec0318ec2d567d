"""What a step prints, and what it calls its files, never steers the terminal of whoever replays it."""

from __future__ import annotations

import contextlib
import os
import pty
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.sandbox_escapes import package
from tests.sandbox_escapes.attack import Place
from tests.sandbox_escapes.attacks import ATTACKS

_PROGRAM = [sys.executable, "-c", "from keiken.cli.main import main; main()"]
_NAMES = ["invalid_utf8", "nul_bytes", "odd_names", "terminal_escapes"]
_STEERING = [b"\x1b]", b"\x1b[2J", b"\x07", b"\x08", b"\0", b"\xff", "\x9b".encode(), "\u202e".encode()]


def _on_a_terminal(argv: list[str], env: Mapping[str, str]) -> tuple[int, bytes]:
    """Exit status and everything a terminal would get, as if a person sat before it."""
    screen, line = pty.openpty()
    with subprocess.Popen(argv, env={**env, "TERM": "xterm-256color"}, stdin=line, stdout=line, stderr=line) as process:
        os.close(line)
        said = b""
        with contextlib.suppress(OSError):  # EIO is how the end of a terminal reads
            while piece := os.read(screen, 65_536):
                said += piece
        os.close(screen)
        return process.wait(60), said


def _to_a_program(argv: list[str], env: Mapping[str, str]) -> tuple[int, bytes]:
    done = subprocess.run(argv, env=env, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["to a person", "to a program"])
@pytest.mark.parametrize("name", _NAMES)
def test_the_command_line_shows_no_character_that_steers(name: str, words: list[str], tmp_path: Path) -> None:
    attack = next(attack for attack in ATTACKS if attack.name == name)
    place = Place(folder=tmp_path, marker=f"escape-{secrets.token_hex(10)}")
    folder = package.package(attack, place, {}).folder
    env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "LANG": "C.UTF-8"}
    argv = [*_PROGRAM, "replay", str(folder), "--scenario", "contained", "--environment", "debian-12", *words]
    status, said = (_to_a_program if words else _on_a_terminal)(argv, env)
    assert status == 0, said
    assert b"attempt" in said
    assert [bad for bad in _STEERING if bad in said] == []
    reports = [content for path in tmp_path.rglob("*.json") if b"replay_id" in (content := path.read_bytes())]
    assert reports
    assert [bad for report in reports for bad in (b"\x1b", b"\0", b"\xff") if bad in report] == []

"""Attacks under way when the process that owns the sandbox is killed with ``kill -9``: nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keiken.sandbox.protocol import Driver
from marketplace.config import PROJECT
from tests.sandbox_escapes import package
from tests.sandbox_escapes.attack import Attack, Place
from tests.sandbox_escapes.traces import Before, descendants, processes_marked, until

_ENDLESS = "while (1) { nap(1) }"
_IGNORE = "$SIG{$_} = 'IGNORE' for 'TERM', 'HUP', 'INT', 'PIPE', 'QUIT', 'USR1'; call('prctl', 1, 0, 0, 0, 0);\n"
ATTACKS = [
    Attack(name="killed_fork_bomb", script=f"for (1 .. 20) {{ if (!fork()) {{ {_ENDLESS} }} }} {_ENDLESS}"),
    Attack(
        name="killed_daemons",
        script=_IGNORE
        + f"for (1 .. 3) {{ if (!fork()) {{ POSIX::setsid(); exit if fork(); {_ENDLESS} }} }} {_ENDLESS}",
    ),
    Attack(name="killed_stopped", script=f"if (!fork()) {{ kill('STOP', $$); {_ENDLESS} }} {_ENDLESS}"),
    Attack(
        name="killed_disk_fill",
        script="""for my $d ('work', '/tmp', '/dev/shm') { open(my $f, '>', "$d/$MARKER");
        syswrite($f, 'x' x 65536) for 1 .. 40 } """
        + _ENDLESS,
    ),
    Attack(name="killed_memory", script="my @held = map { 'x' x (4 << 20) } 1 .. 12; " + _ENDLESS),
    Attack(name="killed_flood", script=f"if (!fork()) {{ print 'flood ' while 1 }} {_ENDLESS}"),
    Attack(
        name="killed_listeners",
        script="""socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack('S a*', AF_UNIX, "\\0$MARKER")); listen($s, 5);
        works('shmget', 77, 4096, 01600); works('mq_open', $MARKER, 0102, 0600, 0); """
        + _ENDLESS,
    ),
]


@contextlib.contextmanager
def _owner(attack: Attack, driver: Driver, place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """A process that proves the attack, once the attack itself is seen to be under way."""
    folder = package.package(attack, place, {}).folder
    argv = [sys.executable, "-m", "tests.sandbox_escapes.owner", driver.name, str(folder)]
    with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        try:
            assert until(lambda: bool(processes_marked(place.marker)), 20)
            yield process
        finally:
            process.kill()


def _is_alive(pid: int) -> bool:
    """Zombies count as ended: whoever inherits them is not ours to hurry."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_is_left_when_the_owner_is_killed(attack: Attack, driver: Driver, tmp_path: Path) -> None:
    place = Place(folder=tmp_path, marker=f"escape-{secrets.token_hex(10)}", driver=driver)
    before = Before(place.marker)
    known = descendants()
    with _owner(attack, driver, place) as process:
        until(lambda: len(processes_marked(place.marker)) > 1, 0.3)
        below = descendants() - known - {process.pid}
        assert len(below) >= 2, "a launcher and at least one process inside"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert until(lambda: not any(_is_alive(pid) for pid in below)), [pid for pid in below if _is_alive(pid)]
    assert before.left() == []
    assert not os.path.lexists(f"/dev/shm/{place.marker}")

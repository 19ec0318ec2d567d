"""The control: the very same attempt in a bare process, in a small world of its own where it would do harm."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.sandbox_escapes.attack import Attack, Outside, Place, Seen
from tests.sandbox_escapes.package import STEPS, write_files
from tests.sandbox_escapes.traces import processes_marked

SPARE_SECONDS = 8
"""The time limit of a step is one of the things attacks try to exceed."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def namespaces(*flags: str) -> list[str]:
    """The words before a command that give it namespaces of its own, as root or as anybody."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), *flags, "--"]


METADATA = [
    *namespaces("--net"),
    "perl",
    "-e",
    """use Socket; socket(my $c, AF_INET, SOCK_DGRAM, 0);
    ioctl($c, 0x8916, my $a = pack('a16 S n C4 x8', 'lo', 2, 0, 169, 254, 169, 254)) or die "address: $!";
    ioctl($c, 0x8914, my $u = pack('a16 s x14', 'lo', 0x49)) or die "up: $!";
    socket(my $l, AF_INET, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($l, pack_sockaddr_in(80, inet_aton('169.254.169.254'))) or die "bind: $!"; listen($l, 5);
    fcntl($l, 2, 0); system(@ARGV); exit($? >> 8)""",
]
"""A network in which the address of the cloud's metadata service is there and answers."""

UNRIVALLED = ["sh", "-c", '{ echo -20 >/proc/self/autogroup; } 2>/dev/null; exec nice -n -20 "$@"', "sh"]
"""First in the queue for a processor: other tests confine an attempt on a busy machine as well as a sandbox does."""


def attempt(attack: Attack, place: Place, outside: Outside) -> Seen:
    """Run the attack's steps bare, read back carelessly, and end whatever is left of it."""
    job = place.folder / "job"
    write_files(attack, job)
    (job / "work").mkdir()
    (place.folder / "home").mkdir()
    env = {"PATH": f"{job}/bin:{PATH}", "HOME": str(place.folder / "home"), "MARKER": place.marker}
    env |= {**outside.env, **outside.inherited_env}
    said = b""
    try:
        for step in STEPS[: 2 if attack.then else 1]:
            said += _run([*attack.pen, "perl", step, place.marker], job, env, attack, outside.inherited)
        text = said.decode("utf-8", "surrogateescape") + _claim(job)
        text += attack.probe(
            lambda path: _read_carelessly(job / path, checks_links=attack.checks_links)
        ) + attack.careless(job)
        return Seen(text=text, outside=outside, reached=outside.evidence(), verdict=_believed(said, job))
    finally:
        for pid in processes_marked(place.marker):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["rm", "-rf", str(job / "work")], check=False)  # Python gives up on deep trees


def _read_carelessly(path: Path, *, checks_links: bool) -> bytes:
    """Open it; before that perhaps look whether it is a link, which it may have become in between."""
    if checks_links and path.is_symlink():
        return b""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(1 << 20)
    return b""


def _believed(said: bytes, job: Path) -> str:
    """The verdict of a harness that believes the last line, or a report file that it finds."""
    for text in (said.rpartition(b"\n{")[2], *(path.read_bytes()[1:] for path in job.glob("work/report.json"))):
        with contextlib.suppress(ValueError):
            return str(json.loads(b"{" + text)["verdict"])
    return ""


def _claim(job: Path) -> str:
    with contextlib.suppress(OSError), (job / "work/claim").open(encoding="latin-1") as file:
        return file.read(10_000)
    return ""


def _run(argv: list[str], job: Path, env: dict[str, str], attack: Attack, inherited: Sequence[int]) -> bytes:
    process = subprocess.Popen(
        argv,
        cwd=str(job),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=tuple(inherited),
    )
    assert process.stdout is not None
    timer = threading.Timer(attack.seconds + SPARE_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    try:
        said = _read(process.stdout, attack.stdout_bytes)
        process.stdout.close()
        process.wait()
    finally:
        timer.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
    return said


def _read(stream: IO[bytes], most: int) -> bytes:
    """What it says until it ends, or until as much was heard as anybody asked for."""
    pieces, size = [], 0
    while size < most and (piece := os.read(stream.fileno(), 65_536)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)

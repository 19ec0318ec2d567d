"""More to aim at: what the test process itself holds, what is global to the machine, and a neighbor."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from keiken.sandbox import environments
from keiken.sandbox.protocol import Limits
from tests.sandbox_escapes.attack import Outside, Place
from tests.sandbox_escapes.canaries import Looked
from tests.sandbox_escapes.traces import processes_marked, until


@contextlib.contextmanager
def environment(_place: Place) -> Iterator[Outside]:
    """A secret in our own environment. The script is not told of it; it finds it or does not."""
    outside = Outside(secret=f"secret-{secrets.token_hex(12)}")
    outside.inherited_env = {"KEIKEN_CANARY": outside.secret}
    os.environ.update(outside.inherited_env)
    try:
        yield outside
    finally:
        del os.environ["KEIKEN_CANARY"]


@contextlib.contextmanager
def descriptor(_place: Place) -> Iterator[Outside]:
    """A file with a secret that we hold open for whoever we start."""
    outside = Outside(secret=f"secret-{secrets.token_hex(12)}")
    fd = os.memfd_create("canary")
    os.write(fd, outside.secret.encode())
    os.set_inheritable(fd, True)
    outside.inherited = [fd]
    try:
        yield outside
    finally:
        os.close(fd)


@contextlib.contextmanager
def wire(_place: Place) -> Iterator[Outside]:
    """One end of a socket like those between an owner and a launcher, left open for whoever we start."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.set_inheritable(True)

    def heard() -> str:
        with contextlib.suppress(BlockingIOError):
            return json.dumps(json.loads(ours.recv(4000)))
        return ""

    with ours, theirs:
        outside = Looked(heard)
        outside.inherited = [theirs.fileno()]
        yield outside


@contextlib.contextmanager
def survivors(place: Place) -> Iterator[Outside]:
    """Processes that still live a moment after everything has ended; one may hide under another command line."""
    number = f"97{secrets.randbelow(10**6):06d}.5"

    def look() -> str:
        return "".join(f"process {pid} " for word in (place.marker, number) for pid in processes_marked(word))

    try:
        yield Looked(look, NUMBER=number)
    finally:
        for pid in processes_marked(number):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


@contextlib.contextmanager
def message_queue(place: Place) -> Iterator[Outside]:
    library = ctypes.CDLL(None)
    name = f"/{place.marker}".encode()
    yield Looked(lambda: "a message queue" if library.mq_unlink(name) == 0 else "")


NEIGHBOR = """
use Socket; socket(my $a, AF_UNIX, SOCK_STREAM, 0); bind($a, pack('S a*', AF_UNIX, "\\0$ARGV[0]")); listen($a, 5);
socket(my $t, AF_INET, SOCK_STREAM, 0); setsockopt($t, SOL_SOCKET, SO_REUSEADDR, 1);
bind($t, pack_sockaddr_in(0, inet_aton('127.0.0.1'))); listen($t, 5); my ($port) = unpack_sockaddr_in(getsockname($t));
open(my $f, '>', "/tmp/$ARGV[0]"); open(my $p, '>', 'work/new'); print $p $port; close $p; rename 'work/new', 'work/port';
while (1) { my $in = ''; vec($in, fileno($_), 1) = 1 for $a, $t; select($in, undef, undef, undef);
    open(my $g, '>', 'work/got'); print $g 'a connection'; close $g; sleep 60 }
"""


@contextlib.contextmanager
def neighbor(place: Place) -> Iterator[Outside]:
    """A live sandbox of the same driver beside ours that listens; a bare process in the control."""
    argv = ["perl", "-e", NEIGHBOR, place.marker + "n"]
    home = place.folder / "neighbor"
    home.mkdir()
    with contextlib.ExitStack() as stack:
        if place.driver is None:
            (home / "work").mkdir()
            process = stack.enter_context(subprocess.Popen(argv, cwd=home))
            stack.callback(process.kill)

            def read(path: str) -> str:
                file = home / path
                return file.read_text() if file.exists() else ""
        else:
            sandbox = place.driver.open(
                environment=environments.get_or_local("debian-12"),
                package=home,
                commands=["perl"],
                network=[],
                limits=Limits(),
            )
            stack.callback(sandbox.close)
            sandbox.start(argv, env={})

            def read(path: str) -> str:
                return (sandbox.read(path).content or b"").decode()

        assert until(lambda: read("work/port") != "")
        yield Looked(lambda: read("work/got"), PORT=read("work/port"), NAME=place.marker + "n")
        Path(f"/tmp/{place.marker}n").unlink(missing_ok=True)

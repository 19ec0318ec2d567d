"""Things out here that attacks aim at. Each belongs to the test, and each shows when it was reached."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.sandbox_escapes.attack import Outside, Place


class Listening(Outside):
    """Sockets that show what arrived at them."""

    def __init__(self, sockets: list[socket.socket], **env: str) -> None:
        super().__init__(**env)
        self._sockets = sockets

    def evidence(self) -> str:
        arrived = ""
        for listener in self._sockets:
            with contextlib.suppress(BlockingIOError):
                if listener.type == socket.SOCK_DGRAM:
                    arrived += repr(listener.recv(2000))
                else:
                    connection, _peer = listener.accept()
                    connection.close()
                    arrived += "a connection"
        return arrived


def _listener(family: int, kind: int, address: object) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(address)  # type: ignore[arg-type]  # an address of whatever family
    if kind == socket.SOCK_STREAM:
        made.listen()
    made.setblocking(False)
    return made


@contextlib.contextmanager
def tcp(_place: Place) -> Iterator[Outside]:
    with _listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)) as listener:
        yield Listening([listener], PORT=str(listener.getsockname()[1]))


@contextlib.contextmanager
def tcp6(_place: Place) -> Iterator[Outside]:
    with _listener(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)) as listener:
        yield Listening([listener], PORT=str(listener.getsockname()[1]))


@contextlib.contextmanager
def udp(_place: Place) -> Iterator[Outside]:
    with _listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)) as listener:
        yield Listening([listener], PORT=str(listener.getsockname()[1]))


@contextlib.contextmanager
def abstract(place: Place) -> Iterator[Outside]:
    with _listener(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{place.marker}") as listener:
        yield Listening([listener])


@contextlib.contextmanager
def unix_path(place: Place) -> Iterator[Outside]:
    path = f"/tmp/{secrets.token_hex(6)}.sock"
    with _listener(socket.AF_UNIX, socket.SOCK_STREAM, path) as listener:
        Path(path).chmod(0o777)
        try:
            yield Listening([listener], TARGET=path)
        finally:
            Path(path).unlink()


class Watched(Outside):
    """A file or folder with what it held at first."""

    def __init__(self, path: Path, *, secret: str = "", **env: str) -> None:
        super().__init__(secret=secret, **env)
        self._path, self._before = path, _state(path)

    def evidence(self) -> str:
        now = _state(self._path)
        return "" if now == self._before else f"changed: {now}"


def _state(path: Path) -> object:
    if path.is_dir():
        return sorted((entry.name, _state(entry)) for entry in path.iterdir())
    status = path.lstat()
    return status.st_mode, status.st_size, status.st_nlink, path.read_bytes()


def _reachable(folder: Path) -> Path:
    """A folder below /tmp that any user of the machine may pass through and write into, so that only walls matter."""
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@contextlib.contextmanager
def file(_place: Path | Place) -> Iterator[Outside]:
    """A file with a secret that everybody of this machine may read and write, at a path of this machine."""
    folder = _reachable(Path(f"/tmp/keiken-canary-{secrets.token_hex(6)}"))
    try:
        path, secret = folder / "canary", f"secret-{secrets.token_hex(12)}"
        path.write_text(secret, encoding="ascii")
        path.chmod(0o666)
        yield Watched(folder, secret=secret, TARGET=str(path))
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def program(_place: Place) -> Iterator[Outside]:
    """A program of the test's own under way, whose file an attack would like to overwrite once it is free."""
    folder = _reachable(Path(f"/tmp/keiken-canary-{secrets.token_hex(6)}"))
    path = folder / "program"
    shutil.copy("/bin/sleep", path)
    path.chmod(0o777)
    outside = Watched(folder)
    try:
        with subprocess.Popen([str(path), "1.5"]) as process:
            outside.env = {"EXE": f"/proc/{process.pid}/exe"}
            yield outside
            process.kill()
    finally:
        shutil.rmtree(folder)


class Victim(Outside):
    """A process of the test's own."""

    def __init__(self, process: subprocess.Popen[bytes], *, secret: str, **env: str) -> None:
        super().__init__(secret=secret, **env)
        self._process = process

    def evidence(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"it ended with {self._process.wait(0.2)}"
        return ""


@contextlib.contextmanager
def process(_place: Place) -> Iterator[Outside]:
    """A sleeping process with a secret in its environment."""
    secret = f"secret-{secrets.token_hex(12)}"
    argv = ["sleep", "60"]
    with subprocess.Popen(argv, env={"PATH": os.defpath, "CANARY": secret}) as victim:
        try:
            yield Victim(victim, secret=secret, VICTIM=str(victim.pid))
        finally:
            victim.kill()


class Looked(Outside):
    """Something global of the machine that is asked for by name."""

    def __init__(self, look: Callable[[], str], *, secret: str = "", **env: str) -> None:
        super().__init__(secret=secret, **env)
        self._look = look

    def evidence(self) -> str:
        return self._look()


@contextlib.contextmanager
def shared_memory_file(place: Place) -> Iterator[Outside]:
    path = Path(f"/dev/shm/{place.marker}")
    try:
        yield Looked(lambda: "a file in /dev/shm" if path.exists() else "")
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def shared_memory_segment(_place: Place) -> Iterator[Outside]:
    key = 0x6B65_0000 + secrets.randbelow(0xFFFF)

    def segments() -> list[str]:
        lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
        return [line.split()[1] for line in lines if int(line.split()[0]) == key]

    try:
        yield Looked(lambda: " ".join(segments()), KEY=str(key))
    finally:
        for number in segments():
            subprocess.run(["ipcrm", "-m", number], check=False)


def both(
    *parts: Callable[[Place], AbstractContextManager[Outside]],
) -> Callable[[Place], AbstractContextManager[Outside]]:
    """Several things at a time; any of them may show that it was reached. What the first says of itself counts."""

    @contextlib.contextmanager
    def together(place: Place) -> Iterator[Outside]:
        with contextlib.ExitStack() as stack:
            made = [stack.enter_context(part(place)) for part in parts]
            env = {name: value for outside in reversed(made) for name, value in outside.env.items()}
            yield Looked(lambda: "".join(outside.evidence() for outside in made), secret=made[0].secret, **env)

    return together

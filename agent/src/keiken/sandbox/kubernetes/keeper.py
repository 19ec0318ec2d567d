"""The job folder of a Pod, read and written by a container in which nothing of the package's ever runs."""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Sequence

from keiken.errors import Failed, SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox import ports
from keiken.sandbox.jobfolder import MOST_DEPTH, MOST_ENTRIES, MOST_PATHS, READ_LIMIT_BYTES
from keiken.sandbox.kubernetes import manifests, programs
from keiken.sandbox.kubernetes.api import Api
from keiken.sandbox.kubernetes.channels import STDOUT, Execution, ExecutionLost
from keiken.sandbox.patterns import glob
from keiken.sandbox.protocol import FileState

_ABSENT = FileState(exists=False)
_SECONDS = 60.0


def packed(*fields: bytes) -> bytes:
    """Each with its length before it, as the programs inside read them."""
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def packed_list(fields: Sequence[bytes]) -> bytes:
    return struct.pack(">I", len(fields)) + packed(*fields)


class RemoteFolder:
    """One session with the keeper. Raises SandboxUnavailable when it is lost."""

    def __init__(self, api: Api, pod: str) -> None:
        self._lock = threading.Lock()
        argv = ["/usr/bin/perl", "-e", programs.KEEPER]
        self._execution = Execution.start(api, pod, manifests.KEEPER, argv)
        self._heard = b""

    def close(self) -> None:
        self._execution.close()

    def read(self, path: str) -> FileState:
        parts = _parts(path)
        if parts is None:
            return _ABSENT
        answer = self._ask(b"state", "/".join(parts).encode(), str(READ_LIMIT_BYTES).encode())
        kind, _space, rest = answer.partition(b" ")
        if kind == b"absent":
            return _ABSENT
        if kind != b"file":
            return FileState(exists=True, kind="folder" if kind == b"folder" else "other", mode=rest.decode())
        mode, size, content = rest.split(b" ", 2)
        return FileState(
            exists=True,
            kind="file",
            size=int(size),
            mode=mode.decode(),
            content=content[1:] if content.startswith(b"+") else None,
        )

    def paths(self, pattern: str) -> list[str]:
        wanted = glob(_normal(pattern))
        found = []
        for name in self._names():
            if wanted.matches(name):
                found.append(name)
                if len(found) == MOST_PATHS:
                    break
        return sorted(found)

    def _names(self) -> list[str]:
        answer = self._ask(b"names", str(MOST_ENTRIES).encode(), str(MOST_DEPTH).encode())
        (count,), at, names = struct.unpack(">I", answer[:4]), 4, []
        for _number in range(count):
            (length,) = struct.unpack(">I", answer[at : at + 4])
            with contextlib.suppress(UnicodeDecodeError):
                names.append(answer[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return names

    def write(self, path: str, content: bytes, mode: int) -> None:
        inside = self.writable(path)
        trouble = _words(self._ask(b"put", inside.encode(), f"{mode & 0o777:o}".encode(), content))
        if trouble:
            raise Failed(
                "file_not_written",
                _("'{path}' cannot be written: {trouble}.").format(path=path, trouble=trouble),
                _("See whether a folder, a link or a full disk is in the way."),
                {"file": path},
            )

    def remove(self, path: str) -> None:
        trouble = _words(self._ask(b"gone", self.writable(path).encode()))
        if trouble:
            raise Failed(
                "file_not_removed",
                _("'{path}' cannot be removed: {trouble}").format(path=path, trouble=trouble),
                _("See whether something inside still uses or protects it."),
                {"file": path},
            )

    def writable(self, path: str) -> str:
        """Raises Failed for a path that is not below ``work/``."""
        parts = path.split("/")
        if parts[0] != "work" or len(parts) < 2 or _parts(path) != parts:
            raise Failed(
                "path_not_writable",
                _("'{path}' is not a path below work/.").format(path=path),
                _("Write only below work/, without '.', '..' and empty names."),
                {"file": path},
            )
        return path

    def listening_ports(self) -> frozenset[int]:
        return frozenset(ports.listening(self._ask(b"ports")))

    def _ask(self, *fields: bytes) -> bytes:
        order = packed(*fields)
        with self._lock:
            try:
                self._execution.send(struct.pack(">I", len(order)) + order)
                (length,) = struct.unpack(">I", self._take(4))
                return self._take(length)
            except (ExecutionLost, TimeoutError, OSError) as lost:
                raise SandboxUnavailable(
                    "sandbox_lost",
                    _("The sandbox in the cluster cannot be read any more: {why}").format(why=lost),
                    _("Try again; the cluster's events for this Pod say why it ended."),
                ) from lost

    def _take(self, size: int) -> bytes:
        while len(self._heard) < size:
            received = self._execution.receive(_SECONDS)
            if received is None:
                raise ExecutionLost("the keeper ended")
            if received[0] == STDOUT:
                self._heard += received[1]
        taken, self._heard = self._heard[:size], self._heard[size:]
        return taken


def _words(answer: bytes) -> str:
    return answer.decode("utf-8", "replace")


def _normal(path: str) -> str:
    return path.removeprefix("./").removeprefix("/job/").rstrip("/")


def _parts(path: str) -> list[str] | None:
    """None for what cannot be a path below the job folder."""
    parts = _normal(path).split("/")
    is_plain = all(part not in ("", ".", "..") for part in parts) and sum(len(part) + 1 for part in parts) < 4096
    return parts if is_plain and "\0" not in path else None

"""Messages between the owner of a sandbox and its launcher: one JSON object each, with file descriptors beside it."""

from __future__ import annotations

import array
import json
import os
import socket

TYPE_CHECKING = False  # importing typing costs a third of a launcher's start
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_MOST_DESCRIPTORS = 16
_MOST_BYTES = 262_144


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends. Packets keep message borders, and the end of a process is seen as an empty packet."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)


def send(end: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one small message. Raises OSError when the other side is gone."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end.sendmsg([json.dumps(message).encode()], rights)


def receive(end: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its descriptors; None when the other side is gone."""
    space = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
    try:
        data, ancillary, _flags, _address = end.recvmsg(_MOST_BYTES, space, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    if not data:
        return None
    message: dict[str, Any] = json.loads(data)
    return message, list(descriptors)


def sealed(content: bytes) -> int:
    """A descriptor of a memory file that holds the content, at its beginning: for what may be larger than a packet."""
    fd = os.memfd_create("keiken", os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def unsealed(fd: int) -> bytes:
    """All that is in such a memory file; closes it."""
    with open(fd, "rb") as file:
        return file.read()

"""Small errands a child of the launcher does inside the sandbox's namespaces, handing descriptors back out."""

from __future__ import annotations

import errno
import os
import socket

from keiken.sandbox import landlock, wire

TYPE_CHECKING = False  # importing typing costs a third of a launcher's start
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ALWAYS_EXECUTABLE = ("/usr/lib", "/lib", "/lib64", "/lib32", "/libx32", "/usr/lib64", "/usr/libexec")
"""Loaders, and the helpers that programs keep there for themselves."""
JOB_SCRIPTS = ("scripts", "assets")
COMPANIONS = {
    "git": ("basename", "dirname", "sed", "uname", "cat", "gpg", "gpgv", "less"),
    "gpg": ("gpg-agent", "gpgconf", "gpgsm", "dirmngr", "keyboxd"),
    "logrotate": ("gzip", "gunzip", "xz"),
    "tar": ("gzip", "gunzip", "bzip2", "xz", "zstd"),
}
"""Programs that a command starts by itself as part of its own work."""
_SHEBANG_DEPTH = 4


def open_port_tables() -> tuple[dict[str, Any], list[int]]:
    """The kernel's tables of TCP sockets of this network namespace; reading one again later shows it as it is then."""
    fds = []
    for name in ("tcp", "tcp6"):
        try:
            fds.append(os.open(f"/proc/self/net/{name}", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            continue  # no IPv6 in this kernel
    return {}, fds


def listen_inside(port: int) -> tuple[dict[str, Any], list[int]]:
    """A socket that listens on this network namespace's loopback, wherever it is accepted on."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    return {}, [listener.detach()]


def build_ruleset(commands: Sequence[str]) -> tuple[dict[str, Any], list[int]]:
    """A Landlock ruleset by which only these commands, their interpreters and helpers can be executed; none without
    Landlock.
    """
    if not landlock.abi():
        return {}, []
    ruleset = landlock.Ruleset(files=landlock.EXECUTE)
    ruleset.allow_all(executables(commands), landlock.EXECUTE)
    return {}, [ruleset.fd]


def executables(commands: Sequence[str], job: str = "/job") -> list[str]:
    """The paths that may be executed when these commands are declared; ``sh`` always is.

    A declared ``work/…`` does not exist yet when the rules are made, so it allows executing whatever is in ``work``.
    """
    paths = [*ALWAYS_EXECUTABLE, *(f"{job}/{name}" for name in JOB_SCRIPTS)]
    paths += [f"{job}/work" for command in commands if command.removeprefix("./").startswith("work/")][:1]
    waiting, seen = ["sh", *commands], set()
    while waiting:
        command = waiting.pop()
        if command in seen:
            continue
        seen.add(command)
        waiting.extend(COMPANIONS.get(command, ()))
        path = _find(command, job)
        if path is not None:
            paths.append(path)
            paths.extend(_interpreters(path))
    return paths


def _find(command: str, job: str) -> str | None:
    if "/" in command:
        path = os.path.join(job, command)
        return path if os.path.exists(path) else None
    for folder in PATH.split(":"):
        path = f"{folder}/{command}"
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def _interpreters(path: str) -> Iterator[str]:
    """Who the ``#!`` lines name, one after the other; ``env NAME`` counts for both."""
    for _turn in range(_SHEBANG_DEPTH):
        try:
            with open(path, "rb") as file:
                line = file.readline(256)
        except OSError:
            return
        if not line.startswith(b"#!"):
            return
        words = line[2:].decode(errors="replace").split()
        if not words:
            return
        path = words[0]
        yield path
        if os.path.basename(path) == "env":
            named = _find(next((word for word in words[1:] if not word.startswith("-")), ""), "/")
            if named is None:
                return
            yield named
            path = named


def connect_inside(answer_fd: int, host: str, port: int, seconds: float) -> None:
    """Connect to a literal address and send the connected socket, or the errno, over the answer socket."""
    answer = socket.socket(fileno=answer_fd)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        connection.connect((host, port))
    except TimeoutError:
        wire.send(answer, {"errno": errno.ETIMEDOUT})
    except OSError as trouble:
        wire.send(answer, {"errno": trouble.errno or errno.EIO})
    else:
        connection.settimeout(None)
        wire.send(answer, {"errno": 0}, [connection.fileno()])

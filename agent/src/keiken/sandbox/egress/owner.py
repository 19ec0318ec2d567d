"""The proxy as the owner of a sandbox sees it: started with its listener, asked what it did, ended with it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import h11

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox import wire
from keiken.sandbox.protocol import Connection, Egress
from keiken.sandbox.start import NotStarted, Running, start

PORT = 3128
"""On the sandbox's loopback, where such proxies are usually found."""
_ANSWER_SECONDS = 10
_ADDRESS = f"http://127.0.0.1:{PORT}"
VARIABLES: Mapping[str, str] = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _ADDRESS),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1,::1"),
}
"""How programs are told. Those that do not listen to it find no way out."""


class ConnectionDenied(PermissionError):
    """The proxy does not let anybody through to there."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class EgressProxy:
    """One running proxy. ``close`` may be called again."""

    def __init__(self, control: socket.socket, process: Running) -> None:
        self._control, self._process = control, process
        self._left: list[Connection] = []
        self._is_ended = False

    @classmethod
    def start(cls, listener: int, network: Sequence[str], egress: Egress, *, uid: int, gid: int) -> Self:
        """Raises SandboxUnavailable. The descriptor stays the caller's."""
        plan = {
            "patterns": list(network),
            "addresses": sorted(egress.addresses),
            "names": {name: list(addresses) for name, addresses in egress.names.items()},
            "bounds": {
                "connections": egress.connections,
                "transferred_bytes": egress.transferred_mib << 20,
                "idle_seconds": egress.idle_seconds,
                "connection_seconds": egress.connection_seconds,
                "noted": egress.noted,
            },
            "libraries": str(Path(h11.__file__).parents[1]),
            "uid": uid,
            "gid": gid,
        }
        try:
            started = start("egress.main", plan, [listener])
        except NotStarted as trouble:
            raise SandboxUnavailable(
                "egress_proxy_failed",
                _("The proxy for the declared network did not start: {words}").format(words=trouble.complaints[-300:]),
                _("See docs/sandbox.md, or replay without the network."),
            ) from trouble
        return cls(started.control, started.process)

    def take(self) -> list[Connection]:
        """What ended since it was last asked."""
        if not self._is_ended:
            self._left += self._asked("log")
        taken, self._left = self._left, []
        return taken

    def end(self) -> None:
        """Cut all connections; what they were is still told by ``take``."""
        if self._is_ended:
            return
        self._left += self._asked("end")
        self._is_ended = True
        self._control.close()
        self._process.end(_ANSWER_SECONDS)

    def _asked(self, verb: str) -> list[Connection]:
        found: list[Connection] = []
        self._control.settimeout(_ANSWER_SECONDS)
        try:
            while True:
                wire.send(self._control, {"do": verb})
                received = wire.receive(self._control)
                if received is None or not received[0]["notes"]:
                    return found
                found += [_connection(note) for note in received[0]["notes"]]
                verb = "log"
        except OSError:
            return found  # it is gone, and with it every way out


def _connection(note: Mapping[str, Any]) -> Connection:
    return Connection(**note)


def through(connect: Callable[[], socket.socket], host: str, port: int, timeout_seconds: float) -> socket.socket:
    """A connection to the host by way of the proxy. Raises ConnectionDenied, OSError."""
    made = connect()
    try:
        made.settimeout(timeout_seconds)
        named = f"[{host}]" if ":" in host else host
        asking = h11.Connection(h11.CLIENT, max_incomplete_event_size=16_384)
        made.sendall(
            asking.send(h11.Request(method="CONNECT", target=f"{named}:{port}", headers=[("Host", named)])) or b""
        )
        made.sendall(asking.send(h11.EndOfMessage()) or b"")
        answer = asking.next_event()
        while answer is h11.NEED_DATA:
            # One byte at a time: what comes after the head is the host's, and belongs to who reads the connection next.
            asking.receive_data(made.recv(1))
            answer = asking.next_event()
        if not isinstance(answer, h11.Response):
            raise ConnectionAbortedError("the proxy ended the connection")
        if answer.status_code != 200:
            raise _denied(answer)
        made.settimeout(None)
        return made
    except h11.ProtocolError as trouble:
        made.close()
        raise ConnectionAbortedError(str(trouble)) from trouble
    except BaseException:
        made.close()
        raise


def _denied(answer: h11.Response) -> OSError:
    code = dict(answer.headers).get(b"keiken-refused", b"").decode("ascii", "replace")
    if code in ("unresolved", "unreachable"):
        return OSError(os.strerror(errno.EHOSTUNREACH))
    words = {
        "not_declared": _("the package does not declare it"),
        "address_not_public": _("it leads to an address of this machine or of an inner network"),
        "too_many_connections": _("too many connections are open"),
    }
    return ConnectionDenied(code or "refused", words.get(code, _("the proxy does not let it through")))

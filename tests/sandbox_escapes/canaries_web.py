"""A server out here that attacks on the declared network aim at: it keeps what it was asked, and how much at once."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from keiken.sandbox import environments
from keiken.sandbox.protocol import Egress, Limits
from tests.sandbox_escapes.attack import Outside, Place

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary"


class Web(Outside):
    """``reached`` says of what it heard, and of how many spoke at once, whether an attack got through."""

    def __init__(self, listener: socket.socket, reached: Callable[[bytes, int], bool]) -> None:
        super().__init__(PORT=str(listener.getsockname()[1]))
        self._listener, self._reached = listener, reached
        self._lock = threading.Lock()
        self._heard, self._now, self._most = b"", 0, 0
        threading.Thread(target=self._serve, daemon=True).start()

    def evidence(self) -> str:
        with self._lock:
            return f"heard {self._heard!r}, {self._most} at once" if self._reached(self._heard, self._most) else ""

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _peer = self._listener.accept()
                threading.Thread(target=self._answer, args=[client], daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with self._lock:
            self._now += 1
            self._most = max(self._most, self._now)
        with client, contextlib.suppress(OSError):
            client.settimeout(10)
            is_answered = False
            while piece := client.recv(65_536):
                with self._lock:
                    self._heard += piece
                if b"\r\n\r\n" in piece and not is_answered:
                    client.sendall(ANSWER)
                    is_answered = True
        with self._lock:
            self._now -= 1


def web(reached: Callable[[bytes, int], bool]) -> Callable[[Place], AbstractContextManager[Outside]]:
    return functools.partial(_web, reached)


@contextlib.contextmanager
def _web(reached: Callable[[bytes, int], bool], _place: Place) -> Iterator[Web]:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield Web(listener, reached)
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def beside_a_neighbor(place: Place) -> Iterator[Web]:
    """The server, and another sandbox that was given leave to reach it."""
    with web(lambda heard, _most: bool(heard))(place) as made, contextlib.ExitStack() as stack:
        if place.driver is not None:
            home = place.folder / "neighbor"
            home.mkdir()
            sandbox = place.driver.open(
                environment=environments.get_or_local("debian-12"),
                package=home,
                commands=["perl"],
                network=[f"127.0.0.1:{made.env['PORT']}"],
                limits=Limits(),
                egress=Egress(addresses=frozenset({"127.0.0.1"})),
            )
            stack.callback(sandbox.close)
        assert isinstance(made, Web)
        yield made

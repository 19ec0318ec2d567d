"""The proxy: accepts on a sandbox's loopback, decides, connects to the address it looked at, passes bytes, notes."""

from __future__ import annotations

import contextlib
import dataclasses
import selectors
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11

from keiken.sandbox.egress import exchange
from keiken.sandbox.egress.rules import Denied, Rules

_HOST_CHARACTERS = 255
_HEAD_SECONDS, _CONNECT_SECONDS = 10.0, 10.0
_ADVICE = {
    "not_declared": "Only what the package's permissions.network names can be reached.",
    "address_not_public": "Addresses of this machine and of inner networks must be declared and allowed themselves.",
    "too_many_connections": "Wait until others have ended.",
}
_STATUS = {"malformed": 400, "unresolved": 502, "unreachable": 502, "too_many_connections": 503, "limit_exceeded": 503}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What all connections of one sandbox may use. ``transferred_bytes`` counts both directions together."""

    connections: int
    transferred_bytes: int
    idle_seconds: float
    connection_seconds: float
    noted: int


@dataclass(kw_only=True)
class Note:
    """One request and what became of it; ``code`` is empty where it was passed on."""

    host: str = ""
    port: int = 0
    method: str = ""
    code: str = ""
    address: str = ""
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0
    count: int = 1
    began: float = 0.0


class Log:
    """Notes that were not taken yet. Beyond a bound they are only counted, in one with the code ``left_out``."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._notes: list[Note] = []
        self._kept = 0

    def add(self, note: Note) -> None:
        with self._lock:
            if self._kept < self._most:
                self._kept += 1
                self._notes.append(note)
            elif self._notes and self._notes[-1].code == "left_out":
                self._notes[-1].count += 1
            else:
                self._notes.append(Note(code="left_out", began=note.began))

    def take(self, most: int) -> list[dict[str, Any]]:
        with self._lock:
            taken, self._notes = self._notes[:most], self._notes[most:]
        return [dataclasses.asdict(note) for note in taken]


class _Exhausted(OSError):
    """A bound was reached."""


class _Ending(OSError):
    """Nothing is begun any more: ``end`` has cut what there was, and would not know of more."""


class Proxy:
    """Serves one sandbox until ``end``."""

    def __init__(self, listener: socket.socket, rules: Rules, bounds: Bounds) -> None:
        self._listener, self._rules, self._bounds = listener, rules, bounds
        self.log = Log(bounds.noted)
        self._free = threading.BoundedSemaphore(bounds.connections)
        self._lock = threading.Lock()
        self._transferred = 0
        self._live: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._is_ending = False

    def serve(self) -> None:
        """Accept until the listener is closed."""
        while not self._is_ending:
            try:
                client, _peer = self._listener.accept()
            except OSError:
                return
            note = Note(began=time.monotonic())
            if not self._free.acquire(blocking=False):
                self._turn_away(client, note)
                continue
            thread = threading.Thread(target=self._serve_and_free, args=[client, note], daemon=True)
            with self._lock:
                self._threads.add(thread)
                thread.start()

    def end(self, seconds: float = 2.0) -> None:
        """Cut every connection, so that all of them are noted."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._is_ending = True
            live, threads = list(self._live), list(self._threads)
        for one in live:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _turn_away(self, client: socket.socket, note: Note) -> None:
        note.code = "too_many_connections"
        self.log.add(note)
        with client:
            client.settimeout(0.2)
            with contextlib.suppress(OSError, h11.ProtocolError):
                _deny(h11.Connection(h11.SERVER), client, "too_many_connections", "all connections are in use")

    def _serve_and_free(self, client: socket.socket, note: Note) -> None:
        try:
            with contextlib.suppress(_Ending), self._held(client):
                self._serve_one(client, note)
        finally:
            self._free.release()
            with self._lock:
                self._threads.discard(threading.current_thread())

    @contextlib.contextmanager
    def _held(self, one: socket.socket) -> Any:
        """The socket, known to ``end`` while it is open and cut when its time is over. Raises _Ending."""
        with one:
            with self._lock:
                if self._is_ending:
                    raise _Ending
                self._live.add(one)
            try:
                yield one
            finally:
                with self._lock:
                    self._live.discard(one)

    def _serve_one(self, client: socket.socket, note: Note) -> None:
        asking = h11.Connection(h11.SERVER, max_incomplete_event_size=exchange.HEAD_BYTES)
        try:
            self._answer(asking, client, note)
        except Denied as denied:
            note.code = denied.code
            with contextlib.suppress(OSError, h11.ProtocolError):
                _deny(asking, client, denied.code, denied.words)
        except _Exhausted:
            note.code = "limit_exceeded"
        except h11.ProtocolError:
            note.code = "malformed"
        except TimeoutError:
            note.code = "timeout"
        except OSError:
            # Once connected either side may end as it likes; before, nothing became of it.
            note.code = "" if note.address else "cut_off"
        except Exception:
            note.code = "failed"
            raise
        finally:
            note.seconds = round(time.monotonic() - note.began, 3)
            if note.method or note.code != "cut_off":
                self.log.add(note)

    def _answer(self, asking: h11.Connection, client: socket.socket, note: Note) -> None:
        request = self._request(asking, client)
        note.method = request.method.decode("ascii", "replace")[:20]
        if note.method == "CONNECT":
            note.host, note.port = _authority(request.target.decode("ascii"))
            with self._connected(note) as host:
                exchange.send(asking, client, h11.Response(status_code=200, reason=b"Connected", headers=[]))
                self._tunnel(client, host, asking.trailing_data[0], note)
            return
        note.host, note.port, authority, target = _absolute(request.target.decode("ascii"))
        head = exchange.request_head(request, authority, target)
        with self._connected(note) as host:
            client.settimeout(self._bounds.idle_seconds)
            exchange.pass_on(
                asking, client, host, request, head, sent=self._counter(note, "sent"),
                received=self._counter(note, "received"),
            )  # fmt: skip

    def _request(self, asking: h11.Connection, client: socket.socket) -> h11.Request:
        """The head of what is asked, which must come soon. Raises Denied, OSError."""
        deadline = time.monotonic() + _HEAD_SECONDS
        try:
            while True:
                event = asking.next_event()
                if isinstance(event, h11.Request):
                    return event
                if event is not h11.NEED_DATA:
                    raise ConnectionAbortedError
                client.settimeout(max(0.001, deadline - time.monotonic()))
                asking.receive_data(client.recv(exchange.CHUNK_BYTES))
        except h11.RemoteProtocolError as trouble:
            raise Denied("malformed", str(trouble)) from trouble

    @contextlib.contextmanager
    def _connected(self, note: Note) -> Any:
        """A connection to the first permitted address that answers. Raises Denied."""
        trouble: OSError | None = None
        for address in self._rules.reachable(note.host, note.port)[:4]:
            try:
                made = socket.create_connection((address, note.port), _CONNECT_SECONDS)
            except OSError as error:
                trouble = error
                continue
            note.address = address
            made.settimeout(self._bounds.idle_seconds)
            with self._held(made) as host:
                timer = threading.Timer(self._bounds.connection_seconds, _cut, [host])
                timer.daemon = True
                timer.start()
                try:
                    yield host
                finally:
                    timer.cancel()
            return
        raise Denied("unreachable", f"{note.host}:{note.port} does not answer ({trouble})")

    def _tunnel(self, client: socket.socket, host: socket.socket, first: bytes, note: Note) -> None:
        """Pass bytes both ways until both sides have ended, or nothing came for a while."""
        sent, received = self._counter(note, "sent"), self._counter(note, "received")
        client.settimeout(self._bounds.idle_seconds)
        if first:
            sent(len(first))
            host.sendall(first)
        ways = {client: (host, sent), host: (client, received)}
        with selectors.DefaultSelector() as selector:
            for one in ways:
                selector.register(one, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(self._bounds.idle_seconds)
                if not ready:
                    raise TimeoutError
                for key, _events in ready:
                    source: Any = key.fileobj
                    target, count = ways[source]
                    piece = source.recv(exchange.CHUNK_BYTES)
                    if piece:
                        count(len(piece))
                        target.sendall(piece)
                    else:
                        selector.unregister(source)
                        with contextlib.suppress(OSError):
                            target.shutdown(socket.SHUT_WR)

    def _counter(self, note: Note, way: str) -> Any:
        """Counts what passes. Raises OSError once all connections together brought more than they may."""

        def count(size: int) -> None:
            if way == "sent":
                note.sent_bytes += size
            else:
                note.received_bytes += size
            with self._lock:
                self._transferred += size
                if self._transferred > self._bounds.transferred_bytes:
                    raise _Exhausted("more was transferred than may be")

        return count


def _authority(target: str) -> tuple[str, int]:
    """``host:port`` of a CONNECT. Raises Denied."""
    host, _colon, port = target.rpartition(":")
    is_port = port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536
    if not 0 < len(host) <= _HOST_CHARACTERS or not is_port or set(host) & set("@/?#"):
        raise Denied("malformed", "CONNECT takes host:port")
    return host.lower(), int(port)


def _absolute(target: str) -> tuple[str, int, str, str]:
    """Host, port, authority and the rest of an ``http://…`` address. Raises Denied."""
    try:
        parts = urlsplit(target)
        port = parts.port or 80
    except ValueError as trouble:
        raise Denied("malformed", str(trouble)) from trouble
    has_host = 0 < len(parts.hostname or "") <= _HOST_CHARACTERS
    if parts.scheme != "http" or not has_host or "@" in parts.netloc or "\\" in target or parts.fragment:
        raise Denied("malformed", "a proxy takes http://host/ or CONNECT host:port")
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname or "", port, parts.netloc, rest


def _cut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _deny(asking: h11.Connection, client: socket.socket, code: str, words: str) -> None:
    """A refusal that a person who reads the program's output understands."""
    body = f"keiken: {code}: {words}. {_ADVICE.get(code, '')}\n".encode("ascii", "replace")
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Keiken-Refused", code)]
    response = h11.Response(
        status_code=_STATUS.get(code, 403), reason=b"Refused", headers=[*headers, ("Connection", "close")]
    )
    for event in (response, h11.Data(data=body), h11.EndOfMessage()):
        exchange.send(asking, client, event)

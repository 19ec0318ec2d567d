"""The proxy as a program inside meets it: raw bytes in, and what the host behind it was really sent."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from keiken.sandbox.egress.proxy import Bounds, Proxy
from keiken.sandbox.egress.rules import Rules

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SECONDS = 20


class Host:
    """A server on loopback that keeps what it was sent, and answers each connection once."""

    def __init__(self, answer: bytes = ANSWER, *, until: bytes = b"\r\n\r\n") -> None:
        self.received: list[bytes] = []
        self._answer, self._until = answer, until
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _peer = self._listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(SECONDS)
                got = b""
                while self._until not in got and (piece := client.recv(65_536)):
                    got += piece
                self.received.append(got)
                client.sendall(self._answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Way:
    """A proxy over rules, spoken to by raw bytes."""

    def __init__(self, rules: Rules, **bounds: Any) -> None:
        usual = {
            "connections": 8, "transferred_bytes": 1 << 20, "idle_seconds": SECONDS, "connection_seconds": SECONDS,
            "noted": 20,
        }  # fmt: skip
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.proxy = Proxy(listener, rules, Bounds(**{**usual, **bounds}))
        threading.Thread(target=self.proxy.serve, daemon=True).start()
        self.notes: list[dict[str, Any]] = []

    def open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), SECONDS)

    def say(self, sent: bytes) -> bytes:
        """All that comes back until the proxy ends the connection."""
        with self.open() as client:
            got = b""
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                client.sendall(sent)
                while piece := client.recv(65_536):
                    got += piece
            return got

    def noted(self, count: int = 1) -> list[dict[str, Any]]:
        """The notes of that many connections, once they have ended."""
        deadline = time.monotonic() + SECONDS
        while len(self.notes) < count and time.monotonic() < deadline:
            self.notes += self.proxy.log.take(100)
            time.sleep(0.01)
        return self.notes


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


@contextlib.contextmanager
def way(host: Host, *more: str, **bounds: Any) -> Iterator[Way]:
    """A way to ``shop.test`` at the host's port, which is allowed to be on this machine."""
    patterns = [f"shop.test:{host.port}", f"127.0.0.1:{host.port}", *more]
    names = {"shop.test": ["127.0.0.1"], "inner.test": ["169.254.169.254"], "other.test": ["127.0.0.1"]}
    made = Way(Rules(patterns, addresses=["127.0.0.1"], names=names), **bounds)
    try:
        yield made
    finally:
        made.proxy.end()


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def test_a_declared_host_is_reached_by_plain_http(host: Host) -> None:
    started = time.monotonic()
    with way(host) as one:
        answer = one.say(f"GET http://shop.test:{host.port}/a?b=c HTTP/1.1\r\nHost: x\r\nX-Mine: 1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nhello")
        (note,) = one.noted()
    assert host.received == [
        f"GET /a?b=c HTTP/1.1\r\nHost: shop.test:{host.port}\r\nx-mine: 1\r\nConnection: close\r\n\r\n".encode()
    ]
    assert note.pop("seconds") >= 0
    assert started <= note.pop("began") <= time.monotonic()
    assert note == {
        "host": "shop.test", "port": host.port, "method": "GET", "code": "", "address": "127.0.0.1", "sent_bytes": 0,
        "received_bytes": len(ANSWER), "count": 1,
    }  # fmt: skip


def test_a_tunnel_passes_bytes_both_ways_and_counts_them(host: Host) -> None:
    with way(host) as one, one.open() as client:
        client.sendall(f"CONNECT shop.test:{host.port} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
        head = client.recv(65_536)
        assert head.startswith(b"HTTP/1.1 200 ")
        client.sendall(b"ping\r\n\r\n")
        assert client.recv(65_536) == ANSWER
        client.close()
        (note,) = one.noted()
    assert host.received == [b"ping\r\n\r\n"]
    assert (note["method"], note["code"], note["sent_bytes"], note["received_bytes"]) == ("CONNECT", "", 8, len(ANSWER))


@pytest.mark.parametrize(
    ("request_line", "code", "expected"),
    [
        ("CONNECT evil.test:{port}", "not_declared", 403),
        ("CONNECT shop.test:22", "not_declared", 403),
        ("CONNECT shop.test.evil.test:{port}", "not_declared", 403),
        ("CONNECT 127.0.0.2:{port}", "not_declared", 403),
        ("CONNECT shop.test", "malformed", 400),
        ("CONNECT shop.test:0", "malformed", 400),
        ("CONNECT shop.test:99999", "malformed", 400),
        ("CONNECT user@shop.test:{port}", "malformed", 400),
        ("CONNECT inner.test:80", "address_not_public", 403),
        ("CONNECT 169.254.169.254:80", "address_not_public", 403),
        ("GET http://inner.test/latest/meta-data/", "address_not_public", 403),
        ("GET http://evil.test:{port}/", "not_declared", 403),
        ("GET http://shop.test@evil.test:{port}/", "malformed", 400),
        ("GET http://shop.test:{port}#@evil.test/", "malformed", 400),
        ("GET http://shop.test:{port}\\@evil.test/", "malformed", 400),
        ("GET https://shop.test:{port}/", "malformed", 400),
        ("GET ftp://shop.test:{port}/", "malformed", 400),
        ("GET /", "malformed", 400),
        ("GET http:///etc/passwd", "malformed", 400),
        ("GET file:///etc/passwd", "malformed", 400),
    ],
)
def test_everything_else_is_refused_told_and_noted(host: Host, request_line: str, code: str, expected: int) -> None:
    with way(host, "inner.test:80", "169.254.169.254:80") as one:
        answer = one.say(f"{request_line.format(port=host.port)} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
        assert status(answer) == expected
        assert f"\r\nKeiken-Refused: {code}\r\n".encode() in answer
        (note,) = one.noted()
    assert (note["code"], note["address"]) == (code, "")
    assert host.received == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", b"0\r\n\r\nGET http://evil.test/ HTTP/1.1\r\n\r\n"),
        ("Content-Length: 3\r\nContent-Length: 30", b"abc"),
        ("Content-Length: +3", b"abc"),
        ("Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", b"0\r\n\r\n"),
        ("Transfer-Encoding : chunked", b"0\r\n\r\n"),
        ("X: a\r\n folded: b", b""),
        ("X: a\rHost: evil.test", b""),
        ("X: a\0b", b""),
        ("Host: evil.test\r\nHost: shop.test", b""),
    ],
)
def test_what_two_sides_could_read_differently_never_passes_as_it_came(host: Host, headers: str, body: bytes) -> None:
    """Either refused, or passed on as one request with one length that this side wrote itself."""
    with way(host) as one:
        one.say(f"POST http://shop.test:{host.port}/ HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body)
        one.noted()
    for got in host.received:
        head, _end, rest = got.partition(b"\r\n\r\n")
        assert head.count(b"HTTP/1.1") == 1
        assert head.lower().count(b"content-length") + head.lower().count(b"transfer-encoding") <= 1
        assert head.lower().count(b"\r\nhost:") == 1
        assert f"\r\nHost: shop.test:{host.port}\r\n".encode() in head + b"\r\n"
        assert b"evil.test" not in got
        assert rest in (b"", b"0\r\n\r\n")


def test_a_second_request_on_the_connection_is_never_passed_on(host: Host) -> None:
    first = f"GET http://shop.test:{host.port}/1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with way(host) as one:
        answer = one.say(first + first.replace(b"/1", b"/2") + b"GET http://evil.test/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.count(b"HTTP/1.1") == 1
        assert len(one.noted()) == 1
    assert len(host.received) == 1
    assert b"/2" not in host.received[0]


def test_headers_of_one_connection_only_stay_behind(host: Host) -> None:
    fields = (
        "Connection: close, X-Hop\r\nX-Hop: 1\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n"
        "TE: trailers\r\nUpgrade: h2c\r\nKeep-Alive: 5\r\nX-End: 2"
    )
    with way(host) as one:
        one.say(f"GET http://shop.test:{host.port}/ HTTP/1.1\r\nHost: evil.test\r\n{fields}\r\n\r\n".encode())
    names = [line.split(b":")[0].lower() for line in host.received[0].split(b"\r\n")[1:-2]]
    assert names == [b"host", b"x-end", b"connection"]


def test_a_body_in_chunks_passes_and_the_answer_ends_where_it_ends() -> None:
    host = Host(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", until=b"\r\n0\r\n\r\n")
    with way(host) as one:
        body = b"4\r\nwork\r\n0\r\n\r\n"
        head = f"POST http://shop.test:{host.port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        answer = one.say(head + body)
    host.close()
    assert host.received[0].endswith(b"Transfer-Encoding: chunked\r\n\r\n4\r\nwork\r\n0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n")


def test_a_large_head_is_refused(host: Host) -> None:
    with way(host) as one:
        answer = one.say(f"GET http://shop.test:{host.port}/ HTTP/1.1\r\nX: {'a' * 70_000}\r\n\r\n".encode())
        assert answer == b"" or status(answer) == 400
        assert one.noted()[0]["code"] == "malformed"
    assert host.received == []


def test_connections_beyond_the_bound_are_turned_away_and_the_others_live(host: Host) -> None:
    with way(host, connections=1) as one, one.open() as held:
        held.sendall(f"CONNECT shop.test:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert held.recv(65_536).startswith(b"HTTP/1.1 200 ")
        answer = one.say(f"CONNECT shop.test:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert status(answer) == 503
        assert one.noted()[0]["code"] == "too_many_connections"
        held.sendall(b"still here\r\n\r\n")
        assert held.recv(65_536) == ANSWER


def test_bytes_are_bounded_over_all_connections() -> None:
    host = Host(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000)
    with way(host, transferred_bytes=100_000) as one:
        request = f"GET http://shop.test:{host.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        assert len(one.say(request)) > 60_000
        assert len(one.say(request)) < 60_000
        assert [note["code"] for note in one.noted(2)] == ["", "limit_exceeded"]
    host.close()


def test_a_silent_connection_and_an_endless_one_are_cut(host: Host) -> None:
    with way(host, idle_seconds=0.1) as one, one.open() as client:
        client.sendall(f"CONNECT shop.test:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert client.recv(1) == b""
        assert one.noted()[0]["code"] == "timeout"
    with way(host, connection_seconds=0.1) as one, one.open() as client:
        client.sendall(f"CONNECT shop.test:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert client.recv(1) == b""


def test_notes_are_bounded_and_the_rest_is_counted(host: Host) -> None:
    with way(host, noted=2) as one:
        for number in range(5):
            one.say(f"CONNECT host{number}.test:1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        deadline = time.monotonic() + SECONDS
        while sum(note["count"] for note in one.notes) < 5 and time.monotonic() < deadline:
            one.notes += one.proxy.log.take(100)
            time.sleep(0.01)
        named = [note["host"] for note in one.notes if note["code"] != "left_out"]
        assert named == ["host0.test", "host1.test"]
        assert sum(note["count"] for note in one.notes) == 5


def test_at_the_end_every_connection_is_cut_and_noted(host: Host) -> None:
    with way(host) as one:
        client = one.open()
        client.sendall(f"CONNECT shop.test:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        one.proxy.end()
        assert client.recv(1) == b""
        client.close()
        assert [note["host"] for note in one.proxy.log.take(10)] == ["shop.test"]
        with pytest.raises(OSError):
            one.open().recv(1)


def test_what_begins_while_it_ends_is_cut_and_noted_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a name is looked up for long: the request must not leave when nobody would tell of it any more."""
    looking, may_go_on = threading.Event(), threading.Event()
    with way(host) as one:
        reachable = one.proxy._rules.reachable

        def slow(name: str, port: int) -> list[str]:
            looking.set()
            may_go_on.wait(SECONDS)
            return reachable(name, port)

        monkeypatch.setattr(one.proxy._rules, "reachable", slow)
        with one.open() as client:
            client.sendall(f"GET http://shop.test:{host.port}/a HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert looking.wait(SECONDS)
            ending = threading.Thread(target=one.proxy.end, args=[SECONDS])
            ending.start()
            assert client.recv(65_536) == b""
            may_go_on.set()
            ending.join(SECONDS)
        assert [note["host"] for note in one.proxy.log.take(10)] == ["shop.test"]
    assert not any(host.received)

"""One plain HTTP request passed on, taken apart and put together anew: what the two sides disagree about never passes.

Only parsed values go on. Framing, ``Host`` and connection are this side's own, and a connection carries one request.
"""

from __future__ import annotations

import socket

import h11

TYPE_CHECKING = False  # importing typing takes longer than it is worth here
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Headers = list[tuple[bytes, bytes]]

HEAD_BYTES = 16_384
CHUNK_BYTES = 65_536
_OURS = {
    b"connection", b"content-length", b"expect", b"host", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
}  # fmt: skip
"""Of one connection only, or said by this side itself (RFC 9110, 7.6.1)."""


def request_head(request: h11.Request, authority: str, target: str) -> h11.Request:
    """What is asked of the host. ``Host`` follows from the address, whatever the header said (RFC 9112, 3.2.2)."""
    headers: Headers = [(b"Host", authority.encode()), *_passed(request.headers), (b"Connection", b"close")]
    return h11.Request(method=request.method, target=target.encode(), headers=[*headers, *_framing(request.headers)])


def answer_head(response: h11.Response, method: bytes) -> h11.Response:
    headers: Headers = [*_passed(response.headers), (b"Connection", b"close")]
    framing = _framing(response.headers)
    if method == b"HEAD" or response.status_code in (204, 304):
        framing = [field for field in framing if field[0] == b"Content-Length"]
    return h11.Response(status_code=response.status_code, reason=response.reason, headers=[*headers, *framing])


def _passed(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    fields = [(bytes(name), bytes(value)) for name, value in headers]
    named = {word.strip().lower() for name, value in fields if name == b"connection" for word in value.split(b",")}
    return [(name, value) for name, value in fields if name not in _OURS | named]


def _framing(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """One way to tell the length, as the parser understood it: chunks win over a length (RFC 9112, 6.1)."""
    fields = {bytes(name): bytes(value) for name, value in headers}
    if b"transfer-encoding" in fields:
        return [(b"Transfer-Encoding", b"chunked")]
    return [(b"Content-Length", fields[b"content-length"])] if b"content-length" in fields else []


def events(
    connection: h11.Connection, peer: socket.socket, count: Callable[[int], None], *, until: type[h11.Event]
) -> Iterator[h11.Event]:
    """What the peer sends, up to the event of this kind. Raises OSError, h11.RemoteProtocolError."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            piece = peer.recv(CHUNK_BYTES)
            count(len(piece))
            connection.receive_data(piece)
        elif event is h11.PAUSED:
            return
        else:
            assert isinstance(event, h11.Event)
            yield event
            if isinstance(event, until | h11.ConnectionClosed):
                return


def send(connection: h11.Connection, peer: socket.socket, event: h11.Event) -> None:
    if data := connection.send(event):
        peer.sendall(data)


def pass_on(
    asking: h11.Connection,
    client: socket.socket,
    host: socket.socket,
    request: h11.Request,
    head: h11.Request,
    *,
    sent: Callable[[int], None],
    received: Callable[[int], None],
) -> None:
    """The request with its body to the host, the answer with its body back. Raises OSError, h11.ProtocolError."""
    answering = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    send(answering, host, head)
    if asking.they_are_waiting_for_100_continue:
        send(asking, client, h11.InformationalResponse(status_code=100, headers=[]))
    for event in events(asking, client, sent, until=h11.EndOfMessage):
        if isinstance(event, h11.Data):
            send(answering, host, h11.Data(data=event.data))
    send(answering, host, h11.EndOfMessage())
    for event in events(answering, host, received, until=h11.EndOfMessage):
        if isinstance(event, h11.Response):
            send(asking, client, answer_head(event, request.method))
        elif isinstance(event, h11.Data):
            send(asking, client, h11.Data(data=event.data))
        elif isinstance(event, h11.EndOfMessage):
            send(asking, client, h11.EndOfMessage())

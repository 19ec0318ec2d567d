"""An HTTP server on loopback whose answers a test decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Answer:
    """A prepared answer in place of the real one. ``body`` of type bytes is sent as it is."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    declared_length: int | None = None


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Problem(Exception):
    def __init__(self, status: int, code: str, **extra: Any) -> None:
        self.answer = Answer(
            status,
            {
                "type": f"urn:keiken:problem:{code}",
                "title": code,
                "status": status,
                "detail": f"Refused: {code}.",
                "code": code,
                "advice": "Do otherwise.",
                "request_id": "r-1",
                **extra,
            },
            content_type="application/problem+json",
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Callable[[Request], Answer]

    def _handle(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, address.path, parse_qs(address.query), headers, body)
        try:
            answer = type(self).answer(request)
        except Problem as problem:
            answer = problem.answer
        self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  # the names are the standard library's

    def _send(self, answer: Answer) -> None:
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        if answer.status != 304:
            self.send_header("Content-Length", str(answer.declared_length or len(content)))
        self.end_headers()
        if answer.status != 304:
            self.wfile.write(content)
        if answer.declared_length:
            self.close_connection = True

    def log_message(self, *_args: Any) -> None:
        """Tests read ``requests`` instead."""


@contextmanager
def serving(answer: Callable[[Request], Answer]) -> Iterator[str]:
    """The address of a server that gives ``answer``; a Problem it raises is given instead."""
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

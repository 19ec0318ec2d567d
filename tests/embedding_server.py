"""An embedding endpoint on loopback: a text's vector counts what it speaks of, in English and Japanese."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from experiences import embedding

DIMENSIONS = 16
KEY = "sk-never-to-be-seen"
CONCEPTS = (
    ("certificate", "tls", "https", "証明書"),
    ("disk", "space", "storage", "容量", "ディスク"),
    ("backup", "back up", "copy", "バックアップ", "控え"),
    ("mail", "メール"),
)


def vector_of(text: str) -> list[float]:
    """Not of length one, and never all zero: the last number is small and the same for every text."""
    lowered = text.lower()
    counts = [float(sum(lowered.count(word) for word in words)) for words in CONCEPTS]
    return [*counts, *[0.0] * (DIMENSIONS - len(CONCEPTS) - 1), 0.1]


@dataclass
class Endpoint:
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    status: int = 200
    poison: str = ""
    """A batch with a text that has this in it is refused with 400."""
    wait_seconds: float = 0.0
    location: str = ""
    spoil: Callable[[list[dict[str, Any]]], Any] = list
    """What becomes of the data before it is sent."""
    meanwhile: Callable[[], None] = lambda: None

    @property
    def texts(self) -> list[str]:
        return [text for body in self.asked for text in body["input"]]

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.meanwhile()
        time.sleep(self.wait_seconds)
        if self.status != 200:
            return self.status, {"error": {"message": f"Incorrect API key provided: {KEY}."}}
        if self.poison and any(self.poison in text for text in body["input"]):
            return 400, {"error": {"message": "a text cannot be embedded"}}
        data = [{"index": number, "embedding": vector_of(text)} for number, text in enumerate(body["input"])]
        # The order is not promised, so it is not kept.
        return 200, {"object": "list", "model": body["model"], "data": self.spoil(data[::-1])}


@contextmanager
def embedding_endpoint() -> Iterator[Endpoint]:
    """Meanwhile this process waits for it longer than a person would: on a busy machine it would be left alone."""
    kept = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.keys.append(self.headers.get("Authorization", ""))
            kept.asked.append(body)
            status, document = kept.answer(body)
            content = json.dumps(document).encode()
            try:
                self.send_response(status if self.path == "/v1/embeddings" else 404)
                if kept.location:
                    self.send_header("Location", kept.location)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                self.close_connection = True

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(embedding, "QUERY_SECONDS", 60.0)
            yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

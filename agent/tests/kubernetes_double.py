"""A cluster on loopback: exactly the API that the driver uses, in front of Pods that are real namespaces of this machine.

Commands are really carried out, over the real channel protocol; what a cluster can answer instead is set by tests.
Not a sandbox: it runs what tests send it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import selectors
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pods import Pod

TOKEN = "a-token-of-a-test"
IMAGE_DIGEST, ENVIRONMENT_DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass
class Trouble:
    """Instead of what was asked: a status for the next requests of this kind, or a state no Pod leaves."""

    method: str
    path: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "by the test"


class Cluster:
    """The state behind the API."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.manifests: list[dict[str, Any]] = []
        self.policies: dict[str, dict[str, Any]] = {}
        self.classes = {"gvisor": "runsc", "kata": "kata-qemu", "plain": "runc"}
        self.troubles: list[Trouble] = []
        self.waiting: dict[str, str] = {}
        """What every new Pod waits for, for ever: a state's reason and message, or conditions."""
        self.requests: list[tuple[str, str]] = []
        self.authorized = TOKEN
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"cluster": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for pod in self.pods.values():
            pod.end()

    def trouble_of(self, method: str, path: str) -> Trouble | None:
        for trouble in self.troubles:
            if trouble.times > 0 and trouble.method == method and re.search(trouble.path, path):
                trouble.times -= 1
                return trouble
        return None


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: object) -> None: ...

    def _answer(self, status: int, document: dict[str, Any], **headers: str) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, message: str, **headers: str) -> None:
        self._answer(status, {"kind": "Status", "status": "Failure", "code": status, "message": message}, **headers)

    def _body(self) -> dict[str, Any]:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")

    def _serve(self) -> None:
        cluster, path = self.cluster, urlsplit(self.path).path
        cluster.requests.append((self.command, self.path))
        body = self._body()
        if self.headers.get("Authorization") != f"Bearer {cluster.authorized}":
            return self._refuse(401, "Unauthorized")
        if trouble := cluster.trouble_of(self.command, path):
            return self._refuse(trouble.status, trouble.message, **trouble.headers)
        for pattern, serve in (
            (r"/api/v1/namespaces/sandboxes/pods", self._pods),
            (r"/api/v1/namespaces/sandboxes/pods/([^/]+)", self._pod),
            (r"/api/v1/namespaces/sandboxes/pods/([^/]+)/exec", self._exec),
            (r"/apis/networking.k8s.io/v1/namespaces/sandboxes/networkpolicies(?:/([^/]+))?", self._policy),
            (r"/apis/node.k8s.io/v1/runtimeclasses/([^/]+)", self._class),
        ):
            if match := re.fullmatch(pattern, path):
                return serve(body, *match.groups())
        return self._refuse(404, "the server could not find the requested resource")

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _pods(self, body: dict[str, Any]) -> None:
        cluster = self.cluster
        if self.command == "GET":
            return self._answer(200, {"items": [pod.manifest for pod in cluster.pods.values()]})
        name = body["metadata"]["name"]
        if name in cluster.pods:
            return self._refuse(409, f'pods "{name}" already exists')
        cluster.manifests.append(body)
        cluster.pods[name] = Pod(body)
        return self._answer(201, body)

    def _pod(self, _body: dict[str, Any], name: str) -> None:
        pod = self.cluster.pods.get(name)
        if pod is None:
            return self._refuse(404, f'pods "{name}" not found')
        if self.command == "DELETE":
            del self.cluster.pods[name]
            pod.end()
            return self._answer(200, pod.manifest)
        status = pod.status()
        if "reason" in self.cluster.waiting:
            status["initContainerStatuses"] = [{"name": "package", "state": {"waiting": self.cluster.waiting}}]
        elif self.cluster.waiting:
            status = {"phase": "Pending", "conditions": [self.cluster.waiting]}
        return self._answer(200, {**pod.manifest, "status": status})

    def _policy(self, body: dict[str, Any], name: str | None) -> None:
        if self.command == "POST":
            self.cluster.policies[body["metadata"]["name"]] = body
            return self._answer(201, body)
        found = self.cluster.policies.get(name or "")
        return self._answer(200, found) if found else self._refuse(404, "networkpolicies not found")

    def _class(self, _body: dict[str, Any], name: str) -> None:
        handler = self.cluster.classes.get(name)
        if handler is None:
            return self._refuse(404, f'runtimeclasses "{name}" not found')
        return self._answer(200, {"metadata": {"name": name}, "handler": handler})

    # Exec

    def _exec(self, _body: dict[str, Any], name: str) -> None:
        query = parse_qs(urlsplit(self.path).query)
        pod = self.cluster.pods.get(name)
        container = pod.container(query["container"][0]) if pod else None
        if container is None:
            return self._refuse(500 if pod else 404, "container not found")
        if self.headers.get("Sec-WebSocket-Protocol") != "v5.channel.k8s.io":
            return self._refuse(400, "no such protocol")
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + _MAGIC).encode()).digest())
        self.send_response(101)
        for field_name, value in (
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept.decode()),
            ("Sec-WebSocket-Protocol", "v5.channel.k8s.io"),
        ):  # fmt: skip
            self.send_header(field_name, value)
        self.end_headers()
        self.close_connection = True
        self._stream(container.execute(query["command"]))
        return None

    def _stream(self, process: subprocess.Popen[bytes]) -> None:
        lock = threading.Lock()

        def send(content: bytes, opcode: int = 2) -> None:
            size = len(content)
            head = bytes([0x80 | opcode]) + (
                bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65_536
                else b"\x7f" + struct.pack(">Q", size)
            )  # fmt: skip
            with lock:
                self.wfile.write(head + content)
                self.wfile.flush()

        threading.Thread(target=self._input, args=[process], daemon=True).start()
        outputs = {process.stdout: b"\1", process.stderr: b"\2"}
        with contextlib.suppress(OSError), selectors.DefaultSelector() as selector:
            for stream in outputs:
                selector.register(stream, selectors.EVENT_READ)  # type: ignore[arg-type]
            while selector.get_map():
                for key, _events in selector.select():
                    piece = os.read(key.fd, 65_536)
                    if piece:
                        send(outputs[key.fileobj] + piece)  # type: ignore[index]
                    else:
                        selector.unregister(key.fileobj)
            code = process.wait()
            status: dict[str, Any] = {"metadata": {}, "status": "Success"}
            if code != 0:
                causes = [{"reason": "ExitCode", "message": str(code if code > 0 else 128 - code)}]
                status = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
            send(b"\3" + json.dumps(status).encode())
            send(struct.pack(">H", 1000), opcode=8)
        process.kill()
        process.wait()

    def _input(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while True:
                first = self.rfile.read(2)
                if len(first) < 2 or first[0] & 0x0F == 8:
                    break
                size = first[1] & 0x7F
                if size == 126:
                    (size,) = struct.unpack(">H", self.rfile.read(2))
                elif size == 127:
                    (size,) = struct.unpack(">Q", self.rfile.read(8))
                key = self.rfile.read(4)
                masked = self.rfile.read(size)
                content = bytes(byte ^ key[number % 4] for number, byte in enumerate(masked))
                if first[0] & 0x0F == 9:
                    continue
                if content[:2] == b"\xff\0":
                    process.stdin.close()
                elif content[:1] == b"\0":
                    process.stdin.write(content[1:])
                    process.stdin.flush()
        # The client is gone: what it started goes on, as in a cluster, until its Pod ends.
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()

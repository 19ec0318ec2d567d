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
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import keiken

TOKEN = "a-token-of-a-test"
IMAGE_DIGEST, ENVIRONMENT_DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64
OUTER = "20001"
LATE_SECONDS = 0.2
_SOURCE = str(Path(keiken.__file__).parents[1])
_ENTER = """
import os, sys
from keiken.sandbox import linux
network, container, folder, *argv = sys.argv[1:]
kinds = {"user": linux.CLONE_NEWUSER, "net": linux.CLONE_NEWNET, "mnt": linux.CLONE_NEWNS, "pid": linux.CLONE_NEWPID,
         "ipc": linux.CLONE_NEWIPC, "uts": linux.CLONE_NEWUTS}
# The network belongs to the Pod, all else to the container: they are entered one after the other.
wanted = [(network, "user"), (network, "net"), *((container, kind) for kind in ("user", "ipc", "uts", "pid", "mnt"))]
for fd, kind in [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), kind) for pid, kind in wanted]:
    linux.setns(fd, kinds[kind])
child = os.fork()
if child == 0:
    os.chdir(folder)
    linux.drop_capabilities()
    os.environ.pop("PYTHONPATH")
    os.execv(argv[0], argv)
for fd in (0, 1, 2):
    os.close(fd)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
"""
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _as_user() -> list[str]:
    """As root, the words that make somebody else of us first: a Pod of root's would be no Pod."""
    return ["setpriv", f"--reuid={OUTER}", f"--regid={OUTER}", "--clear-groups"] if os.geteuid() == 0 else []


class Container:
    """One process tree of a Pod."""

    def __init__(self, spec: dict[str, Any], volumes: dict[str, Path], network: int) -> None:
        self.name = spec["name"]
        info_reader, info = os.pipe()
        words = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--uid", "1000"]
        words += ["--gid", "1000", "--hostname", "sandbox", "--as-pid-1", "--die-with-parent", "--info-fd", str(info)]
        for folder in ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc/alternatives"):
            path = Path(folder)
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), folder]
            elif path.exists():
                words += ["--ro-bind", folder, folder]
        # Not by --dev: with it bubblewrap ends in one more user namespace, which could not be entered from here.
        words += ["--proc", "/proc", "--tmpfs", "/dev"]
        for name in ("null", "zero", "full", "random", "urandom"):
            words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
        for mount in sorted(spec["volumeMounts"], key=lambda one: len(one["mountPath"])):
            source = volumes[mount["name"]] / mount.get("subPath", "")
            if "subPath" in mount:
                source.mkdir(exist_ok=True)
                _give(source)
            words += ["--ro-bind" if mount.get("readOnly") else "--bind", str(source), mount["mountPath"]]
        words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--", *spec["command"]]
        self.network = network
        enter = [*_as_user(), "nsenter", "-t", str(network), "-U", "-n", "--preserve-credentials", "--"]
        self.process = subprocess.Popen(
            [*enter, *words], pass_fds=[info], stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(info)
        with os.fdopen(info_reader) as told:
            self.pid = int(json.load(told)["child-pid"])
        _until_set_up(self.pid)
        self.folder = spec["workingDir"]
        self.reason = ""
        self.ended_at: float | None = None

    @property
    def state(self) -> dict[str, Any]:
        code = self.process.poll()
        if code is None:
            return {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        return {"terminated": {"exitCode": code & 0xFF, "reason": self.reason or ("Error" if code else "Completed")}}

    @property
    def told(self) -> dict[str, Any]:
        """What the cluster says of it, which is a moment late about its end."""
        state = self.state
        if "terminated" in state and self.ended_at is None:
            self.ended_at = time.monotonic()
        is_late = self.ended_at is not None and time.monotonic() - self.ended_at < LATE_SECONDS
        return {"running": {"startedAt": "2026-01-01T00:00:00Z"}} if is_late else state

    def execute(self, argv: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*_as_user(), sys.executable, "-c", _ENTER, str(self.network), str(self.pid), self.folder, *argv],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "PYTHONPATH": _SOURCE},
        )  # fmt: skip

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def _until_set_up(pid: int) -> None:
    """bubblewrap tells the number of its child before that has its mounts and its loopback: who enters then is early."""
    deadline = time.monotonic() + 20
    with contextlib.suppress(OSError):  # it has ended already
        while Path(f"/proc/{pid}/comm").read_text() == "bwrap\n":
            assert time.monotonic() < deadline, "bubblewrap does not start the command"
            time.sleep(0.005)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, int(OUTER), int(OUTER))


class Pod:
    """A manifest brought to life: the first container, and when it has ended well, the others."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.manifest = manifest
        self.spec = manifest["spec"]
        self.folder = Path(tempfile.mkdtemp(prefix="keiken-pod-"))
        self.folder.chmod(0o755)
        self.volumes = {volume["name"]: self.folder / volume["name"] for volume in self.spec["volumes"]}
        for path in self.volumes.values():
            path.mkdir()
            _give(path)
        self.reason = ""
        self._network = subprocess.Popen(
            [*_as_user(), "bwrap", "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "--die-with-parent",
             "--as-pid-1", "--unshare-pid", "--info-fd", "1", "--", "sleep", "3600"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._network.stdout is not None
        told = b""
        while b"}" not in told:
            told += self._network.stdout.read1()  # type: ignore[attr-defined]
        self.network = int(json.loads(told)["child-pid"])
        _until_set_up(self.network)
        self.init = [self._start(spec) for spec in self.spec["initContainers"]]
        self.containers: list[Container] = []
        self._lock = threading.Lock()

    def _start(self, spec: dict[str, Any]) -> Container:
        return Container(spec, self.volumes, self.network)

    def status(self) -> dict[str, Any]:
        with self._lock:
            if not self.containers and all(one.state.get("terminated", {}).get("exitCode") == 0 for one in self.init):
                self.containers = [self._start(spec) for spec in self.spec["containers"]]
        if self.reason:
            return {"phase": "Failed", "reason": self.reason, "message": "by the test"}
        waiting = [
            {"name": spec["name"], "state": {"waiting": {"reason": "PodInitializing"}}}
            for spec in self.spec["containers"] if not self.containers
        ]  # fmt: skip
        return {
            "phase": "Running" if self.containers else "Pending",
            "initContainerStatuses": [{"name": one.name, "state": one.state} for one in self.init],
            "containerStatuses": [*waiting, *({"name": one.name, "state": one.told} for one in self.containers)],
        }

    def container(self, name: str) -> Container | None:
        found = [one for one in [*self.init, *self.containers] if one.name == name and "running" in one.state]
        return found[0] if found else None

    def evict(self, reason: str) -> None:
        self.reason = reason
        for one in self.containers:
            one.end()

    def end(self) -> None:
        for one in [*self.init, *self.containers]:
            one.end()
        self._network.kill()
        self._network.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


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

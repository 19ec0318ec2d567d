"""``http`` steps against a server inside the sandbox."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from replays import package, replayed

from keiken.replay.report import Report

SERVER = """
import http.server, json, socket, ssl, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            self.send_response(200); self.end_headers()
            for _ in range(1000):
                self.wfile.write(b"."); self.wfile.flush(); time.sleep(0.1)
            return
        if self.path == "/short":
            self.send_response(200); self.send_header("Content-Length", "50"); self.end_headers()
            self.wfile.write(b"cut"); return
        if self.path == "/large":
            self.send_response(200); self.end_headers(); self.wfile.write(b"x" * (2 << 20)); return
        if self.path == "/moved":
            self.send_response(302); self.send_header("Location", "http://example.com/"); self.end_headers(); return
        told = {"path": self.path, "token": self.headers.get("X-Token"), "host": self.headers["Host"]}
        body = json.dumps(told).encode()
        self.send_response(200); self.send_header("X-Twice", "a"); self.send_header("X-Twice", "b"); self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201); self.end_headers(); self.wfile.write(body[::-1])
    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler)
server.serve_forever()
"""
SERVICE = {"run": ["python3", "assets/server.py"], "ready": "port(8080).open"}


def asked(folder: Path, *steps: dict[str, Any], **fields: Any) -> Report:
    made = package(
        folder,
        files={"assets/server.py": SERVER},
        steps=[{"id": f"s{index}", **step} for index, step in enumerate(steps)],
        scenarios=[{"name": "s", "services": [SERVICE], "secrets": fields.pop("given", {})}],
        **fields,
    )
    return replayed(made, scenario=made.manifest.scenarios[0])


def test_a_service_inside_is_asked_and_its_answer_checked(tmp_path: Path) -> None:
    report = asked(
        tmp_path,
        {
            "http": {
                "url": "http://localhost:8080/a?b=${{ parameters.b }}",
                "headers": {"X-Token": "${{ secrets.token }}"},
            },
            "expect": [
                "result.status == 200",
                "result.json.path == '/a?b=7'",
                "result.json.token == 'hunter2-hunter2'",
                "result.json.host == 'localhost:8080'",
                "result.headers['x-twice'] == 'a, b'",
            ],
            "outputs": {"token": "result.json.token"},
        },
        {
            "http": {"method": "POST", "url": "http://127.0.0.1:8080/", "body": "abc"},
            "expect": ["result.body == 'cba'"],
        },
        {"http": {"url": "http://localhost:8080/moved"}, "expect": ["result.status == 302"]},
        parameters={"b": {"type": "integer", "default": 7}},
        secrets=["token"],
        given={"token": "hunter2-hunter2"},
    )
    assert report.outcome == "succeeded", report.reason
    assert report.steps[0].command == "GET http://localhost:8080/a?b=7"
    assert report.steps[0].outputs == {"token": "[secret token]"}
    assert "hunter2" not in report.model_dump_json()


@pytest.mark.parametrize(
    ("url", "code", "named"),
    [
        ("http://localhost:8080/slow", "timeout", "within 0.5 s"),
        ("http://localhost:8080/short", "not_reached", "before its announced length"),
        ("http://localhost:8080/large", "not_reached", "larger than 1 MiB"),
        ("http://localhost:9/", "not_reached", "refused"),
        ("https://localhost:8080/", "not_reached", "SSL"),
    ],
)
def test_what_cannot_be_had_failed_within_its_time(tmp_path: Path, url: str, code: str, named: str) -> None:
    started = time.monotonic()
    report = asked(tmp_path, {"http": {"url": url, "timeout_seconds": 0.5 if code == "timeout" else 5}})
    assert (report.outcome, report.code) == ("failed", code)
    assert named in report.reason
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("example.com", "network_not_permitted"),
        ("10.0.0.1", "network_not_permitted"),
        ("localhost.example.com", "network_not_permitted"),
        ("localhost@example.com", "not_reached"),
        ("example.com/?", "network_not_permitted"),
        ("example.com#", "network_not_permitted"),
        ("localhost:1\r\nX-Evil: 1", "not_reached"),
        ("[::1", "not_reached"),
    ],
)
def test_a_value_cannot_lead_a_request_elsewhere(tmp_path: Path, value: str, code: str) -> None:
    report = asked(
        tmp_path,
        {"http": {"url": "http://${{ parameters.host }}:8080/", "timeout_seconds": 2}, "retry": {"attempts": 1}},
        parameters={"host": {"default": value}},
    )
    assert (report.outcome, report.code) == ("failed", code)


def test_a_header_value_cannot_add_another_header(tmp_path: Path) -> None:
    report = asked(
        tmp_path,
        {"http": {"url": "http://localhost:8080/", "headers": {"X-Token": "${{ parameters.v }}"}}},
        parameters={"v": {"default": "a\r\nX-Evil: 1"}},
    )
    assert (report.outcome, report.code) == ("failed", "not_reached")


TLS_SERVER = SERVER.replace(
    "server.serve_forever()",
    "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
    "context.load_cert_chain('assets/cert.pem', 'assets/key.pem')\n"
    "server.socket = context.wrap_socket(server.socket, server_side=True)\n"
    "server.serve_forever()",
)


def _self_signed() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem).decode(), plain.decode()


@pytest.mark.parametrize(("verify", "outcome"), [(True, ("failed", "not_reached")), (False, ("succeeded", ""))])
def test_a_certificate_that_nobody_vouches_for_is_refused_unless_the_step_says_so(
    tmp_path: Path, verify: bool, outcome: tuple[str, str]
) -> None:
    certificate, key = _self_signed()
    made = package(
        tmp_path,
        files={"assets/server.py": TLS_SERVER, "assets/cert.pem": certificate, "assets/key.pem": key},
        steps=[{"id": "a", "http": {"url": "https://localhost:8080/x", "verify_tls": verify},
                "expect": ["result.json.path == '/x'"]}],
        scenarios=[{"name": "s", "services": [SERVICE]}],
    )  # fmt: skip
    report = replayed(made, scenario=made.manifest.scenarios[0])
    assert (report.outcome, report.code) == outcome
    assert ("certificate verify failed" in report.reason) is verify


def test_a_service_that_never_gets_ready_is_named(tmp_path: Path) -> None:
    service = {"run": ["python3", "-c", "import time; time.sleep(60)"], "ready": "port(1).open", "timeout_seconds": 0.3}
    made = package(tmp_path, steps=[{"id": "a", "run": ["true"]}], scenarios=[{"name": "s", "services": [service]}])
    report = replayed(made, scenario=made.manifest.scenarios[0])
    assert (report.outcome, report.code) == ("failed", "service_not_ready")
    assert "'python3'" in report.reason
    assert report.steps[0].status == "not_run"

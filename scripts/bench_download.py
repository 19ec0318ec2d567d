"""What a licensed download costs, as ratios within one run: decision with its audit row, 20 kB package, ping, nginx.

Starts a site of its own in a temporary folder, all on loopback, and puts ``wrk`` (Debian: wrk) on it, the candidates in
turn so that whatever else the machine does hits all of them. ``nginx`` (Debian: nginx-light) and Verdaccio (npm; give
its program with ``--verdaccio``) are measured in the same run where they are there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
CONNECTIONS = (1, 16, 64)
PING = """
from marketplace.wsgi import application as _site
from django.http import HttpResponse
from django.urls import path
from marketplace import urls

urls.urlpatterns.insert(0, path("ping-view", lambda request: HttpResponse(b"pong")))

def application(environ, start_response):
    if environ["PATH_INFO"] == "/ping":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        return [b"pong"]
    return _site(environ, start_response)
"""
PREPARE = """
import json, os, random
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from accounts.actors import AGENT_SCOPES, ROLE_SCOPES, Actor
from accounts.models import Person
from accounts.services.create_agent import create_agent
from accounts.services.create_organization import create_organization
from accounts.services.issue_key import issue_key
from experiences.blobs import local_path
from experiences.services.publish import publish
from licensing.services.accept_offer import accept_offer
from licensing.services.create_offer import create_offer
from licensing.services.create_terms import create_terms
from pathlib import Path
from keiken.package import pack

def owner(slug):
    person = Person.objects.create_user(f"{slug}@example.com", "a long bench password")
    organization = create_organization(person=person, slug=slug, name=slug)
    return Actor(kind="person", id=person.pk, name=slug, organization_id=organization.pk, organization_slug=slug,
                 group_id=organization.group_id, scopes=ROLE_SCOPES["owner"]), organization

acme, acme_row = owner("acme")
globex, globex_row = owner("globex")
version = publish(actor=acme, organization_slug="acme", archive=pack(Path(os.environ["BENCH_PACKAGE"]))).version
terms = create_terms(actor=acme, organization=acme_row, name="bench", kind="custom", text="Replay it.", uses=["replay"])
offer = create_offer(actor=acme, experience=version.experience, terms=terms, kind="free")
accept_offer(actor=globex, offer_id=offer.pk, terms_sha256=terms.text_sha256)
agent = create_agent(actor=globex, organization=globex_row, name="bench")
_row, secret = issue_key(actor=globex, organization=globex_row, agent=agent, name="bench", scopes=sorted(AGENT_SCOPES))
print(json.dumps({"key": secret, "file": str(local_path(version.blob_id)), "size": version.blob.size_bytes,
                  "path": f"/api/v1/experiences/{version.experience}/versions/{version.version}"}))
"""
COUNT = """
import django
django.setup()
from accounts.models import AuditEntry
print(AuditEntry.objects.filter(action="download.grant").count())
"""
NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; sendfile on; keepalive_requests 10000000;
server {{ listen 127.0.0.1:{port}; root {folder}/www; }} }}
"""
VERDACCIO = """
storage: {folder}/storage
auth: {{htpasswd: {{file: {folder}/htpasswd, max_users: 10}}}}
security: {{api: {{legacy: false, jwt: {{sign: {{expiresIn: 1d}}}}}}}}
packages: {{'**': {{access: $authenticated, publish: $authenticated}}}}
log: {{type: file, path: {folder}/verdaccio.log, level: error}}
"""


@dataclass(frozen=True)
class Candidate:
    """One address to load. ``key`` goes into the Authorization header."""

    name: str
    url: str
    key: str = ""
    cookie: str = ""
    """A request with a cookie is none of the plain ones that the front door answers."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="For each candidate, round and number of connections.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--verdaccio", type=Path, help="The program 'verdaccio', as npm installs it.")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("This needs wrk: apt-get install wrk nginx-light", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="keiken-bench-") as temporary, ExitStack() as stack:
        candidates = _started(stack, Path(temporary), options.verdaccio)
        rates: dict[tuple[str, int], list[float]] = defaultdict(list)
        for number in range(options.rounds):
            for connections in CONNECTIONS:
                for candidate in candidates:
                    print(f"\rround {number + 1}, {connections} connections, {candidate.name:<30}", end="", flush=True)
                    rates[candidate.name, connections].append(_rate(candidate, connections, options.seconds))
        print("\r" + " " * 70)
        _show(candidates, rates)
    return 0


def _started(stack: ExitStack, folder: Path, verdaccio: Path | None) -> list[Candidate]:
    sys.path.insert(0, str(PROJECT))
    os.chdir(PROJECT)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="marketplace.settings",
        KEIKEN_DATA_DIR=str(folder / "data"),
        KEIKEN_RATE_KNOWN="100000000/min",
        BENCH_PACKAGE=str(_package(folder)),
        PYTHONPATH=f"{folder}:{PROJECT}",
    )
    from marketplace import embedded
    from marketplace.supervisor import Stack, free_port

    (folder / "bench_ping.py").write_text(PING)
    embedded.start(folder / "data")
    stack.callback(embedded.stop, folder / "data")
    made = json.loads(_python(PREPARE).splitlines()[-1])
    port = free_port()
    site = stack.enter_context(Stack(folder / "logs"))
    site.start_web("127.0.0.1", port, workers=2, application="bench_ping:application")
    base = f"http://127.0.0.1:{port}"
    found = [
        Candidate("ping", f"{base}/ping"),
        Candidate("ping, a Django view", f"{base}/ping-view"),
        Candidate("entitlement (decision + audit)", f"{base}{made['path']}/entitlement", made["key"]),
        Candidate("package (decision + audit)", f"{base}{made['path']}/package", made["key"]),
        Candidate("package, the long way", f"{base}{made['path']}/package", made["key"], "x=1"),
    ]
    print(f"package: {made['size']} bytes; granian with 2 workers of 4 threads; {os.cpu_count()} cores")
    if shutil.which("nginx"):
        found.append(stack.enter_context(_nginx(folder, Path(made["file"]), free_port())))
    if verdaccio is not None:
        found += stack.enter_context(_verdaccio(folder, verdaccio, made["size"], free_port()))
    return found


def _package(folder: Path) -> Path:
    """The smallest example, filled up to a 20 kB archive with what does not compress."""
    package = folder / "package"
    shutil.copytree(PROJECT / "examples/git-bisect-first-bad-commit", package)
    (package / "assets").mkdir(exist_ok=True)
    (package / "assets/filler.bin").write_bytes(os.urandom(17_000))
    return package.rename(folder / "git-bisect-first-bad-commit")


def _python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@contextmanager
def _nginx(folder: Path, file: Path, port: int) -> Iterator[Candidate]:
    (folder / "www").mkdir()
    shutil.copy(file, folder / "www/package.tar.gz")
    folder.chmod(0o755)
    (folder / "www/package.tar.gz").chmod(0o644)
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port))
    with _process(["nginx", "-c", str(configuration)], port):
        yield Candidate("nginx, the same file", f"http://127.0.0.1:{port}/package.tar.gz")


@contextmanager
def _verdaccio(folder: Path, program: Path, size: int, port: int) -> Iterator[list[Candidate]]:
    """A registry with a signed-in user (JWT) and one package of the same size."""
    import base64
    import hashlib

    import httpx

    place = folder / "verdaccio"
    place.mkdir()
    (place / "config.yaml").write_text(VERDACCIO.format(folder=place))
    base = f"http://127.0.0.1:{port}"
    with _process([str(program), "--config", str(place / "config.yaml"), "--listen", base], port):
        user = {"name": "bench", "password": "a long bench password"}
        token = httpx.put(f"{base}/-/user/org.couchdb.user:bench", json=user).json()["token"]
        tarball = os.urandom(size)
        name = "bench-1.0.0.tgz"
        shasum = hashlib.sha1(tarball, usedforsecurity=False).hexdigest()
        version = {"name": "bench", "version": "1.0.0", "dist": {"shasum": shasum, "tarball": f"{base}/bench/-/{name}"}}
        attachment = {"data": base64.b64encode(tarball).decode(), "length": size}
        document = {
            "name": "bench",
            "versions": {"1.0.0": version},
            "dist-tags": {"latest": "1.0.0"},
            "_attachments": {name: {**attachment, "content_type": "application/octet-stream"}},
        }
        httpx.put(f"{base}/bench", json=document, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
        yield [
            Candidate("Verdaccio, metadata", f"{base}/bench", token),
            Candidate("Verdaccio, tarball", f"{base}/bench/-/{name}", token),
        ]


@contextmanager
def _process(command: list[str], port: int) -> Iterator[None]:
    import socket

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _attempt in range(150):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{command[0]} does not answer")
        yield
    finally:
        process.terminate()
        process.wait(20)


def _rate(candidate: Candidate, connections: int, seconds: int) -> float:
    """Requests per second. Raises SystemExit when an answer was none of success."""
    threads = min(2, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", candidate.url]
    if candidate.key:
        command += ["-H", f"Authorization: Bearer {candidate.key}"]
    if candidate.cookie:
        command += ["-H", f"Cookie: {candidate.cookie}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said:
        raise SystemExit(f"{candidate.name}: {said}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found.group(1))


def _show(candidates: list[Candidate], rates: dict[tuple[str, int], list[float]]) -> None:
    header = "".join(f"{connections:>16} conn." for connections in CONNECTIONS)
    print(f"{'requests per second (x ping)':<34}{header}")
    middle: dict[tuple[str, int], float] = {key: statistics.median(values) for key, values in rates.items()}
    for candidate in candidates:
        cells: list[Any] = []
        for connections in CONNECTIONS:
            rate = middle[candidate.name, connections]
            ratio = rate / middle["ping", connections]
            cells.append(f"{rate:>13,.0f} ({ratio:.2f}x)")
        print(f"{candidate.name:<34}{''.join(cells)}")
    print(f"rows in the audit trail: {_python(COUNT).strip()}")


if __name__ == "__main__":
    raise SystemExit(main())

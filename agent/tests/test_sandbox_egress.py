"""The declared network of a real sandbox: what is allowed is reached, nothing else is, and each request is told."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sandboxes import debian, driver, package_at, processes_mentioning, shell, until

from keiken.errors import Refused
from keiken.sandbox.egress.owner import PORT, ConnectionDenied
from keiken.sandbox.protocol import Connection, Egress, Limits
from keiken.sandbox.session import NamespaceSandbox

pytestmark = pytest.mark.usefixtures("each_driver")
GET = """use IO::Socket::INET; my ($line, $extra) = @ARGV;
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 3128, Timeout => 5) or exit 9;
print $s "$line HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"; local $/; print <$s>;"""


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"shop {self.path} {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None: ...


@pytest.fixture(scope="module")
def shop() -> Iterator[int]:
    """The port of a server on this machine's loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return package_at(tmp_path / "package")


@contextlib.contextmanager
def opened(package: Path, *network: str, egress: Egress | None) -> Iterator[NamespaceSandbox]:
    sandbox = driver().open(
        environment=debian(),
        package=package,
        commands=["perl", "sh", "env", "cat"],
        network=network,
        limits=Limits(),
        egress=egress,
    )
    try:
        yield sandbox
    finally:
        sandbox.close()


def leave(**names: list[str]) -> Egress:
    found = {name.replace("_", "."): addresses for name, addresses in names.items()}
    return Egress(addresses=frozenset({"127.0.0.1"}), names=found)


def asked(sandbox: NamespaceSandbox, line: str) -> str:
    return sandbox.run(["perl", "-e", GET, line], env={}, stdin=b"", timeout_seconds=20).stdout.decode()


def told(sandbox: NamespaceSandbox) -> list[tuple[str, int, str, str, str]]:
    return [(one.host, one.port, one.method, one.code, one.address) for one in sandbox.connections()]


def test_what_is_declared_and_allowed_is_reached_and_told(package: Path, shop: int) -> None:
    with opened(package, f"shop.test:{shop}", f"127.0.0.1:{shop}", egress=leave(shop_test=["127.0.0.1"])) as sandbox:
        answer = asked(sandbox, f"GET http://shop.test:{shop}/a")
        assert answer.startswith("HTTP/1.1 200 ")
        assert answer.endswith(f"\r\n\r\nshop /a shop.test:{shop}")
        assert "\r\nKeiken-Refused: not_declared\r\n" in asked(sandbox, "CONNECT other.test:443")
        assert told(sandbox) == [
            ("shop.test", shop, "GET", "", "127.0.0.1"),
            ("other.test", 443, "CONNECT", "not_declared", ""),
        ]
        assert sandbox.connections() == []


def test_a_name_that_leads_inside_is_not_followed(package: Path, shop: int) -> None:
    """The machine's own resolver says that ``localhost`` is this machine: declaring the name is not enough."""
    with opened(
        package, f"localhost:{shop}", f"inner.test:{shop}", egress=leave(inner_test=["169.254.169.254"])
    ) as one:
        for name in ("localhost", "inner.test"):
            assert "Keiken-Refused: address_not_public" in asked(one, f"GET http://{name}:{shop}/")
        assert [code for _host, _port, _method, code, _address in told(one)] == ["address_not_public"] * 2


def test_there_is_no_way_beside_the_proxy(package: Path, shop: int) -> None:
    script = (
        "use IO::Socket::INET; exit(IO::Socket::INET->new(PeerAddr=>'127.0.0.1',PeerPort=>$ARGV[0],Timeout=>5) ? 9 : 0)"
    )
    with opened(package, f"127.0.0.1:{shop}", egress=leave()) as sandbox:
        ran = sandbox.run(["perl", "-e", script, str(shop)], env={}, stdin=b"", timeout_seconds=20)
        assert ran.exit_code == 0
        assert shell(sandbox, "cat /proc/net/dev").stdout.count(b":") == 1
        assert sandbox.connections() == []


def test_programs_are_told_of_the_proxy_and_checks_do_not_see_it(package: Path) -> None:
    with opened(package, "shop.test:80", egress=leave()) as sandbox:
        said = sandbox.run(["env"], env={}, stdin=b"", timeout_seconds=10).stdout.decode().splitlines()
        assert {f"https_proxy=http://127.0.0.1:{PORT}", "no_proxy=localhost,127.0.0.1,::1"} <= set(said)
        assert sandbox.listening_ports() == frozenset()


def test_a_connection_for_an_http_step_goes_the_same_way(package: Path, shop: int) -> None:
    with opened(package, f"shop.test:{shop}", f"127.0.0.1:{shop}", egress=leave(shop_test=["127.0.0.1"])) as sandbox:
        with sandbox.connect("shop.test", shop, 10) as made:
            made.sendall(b"GET /step HTTP/1.0\r\n\r\n")
            got = b""
            while piece := made.recv(65_536):
                got += piece
        assert got.endswith(b"shop /step None")
        with pytest.raises(ConnectionDenied) as denied:
            sandbox.connect("shop.test", 22, 10)
        assert denied.value.code == "not_declared"
        with pytest.raises(ConnectionRefusedError):
            sandbox.connect("127.0.0.1", shop, 10)
        sandbox.settle()  # the proxy hears a little later than we that we have left
        ended = sorted(sandbox.connections(), key=lambda one: one.began)
        assert [(one.host, one.code) for one in ended] == [("shop.test", ""), ("shop.test", "not_declared")]


def test_without_leave_nothing_is_opened(package: Path) -> None:
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(Refused) as refused, opened(package, "shop.test:80", egress=None):
        pass
    assert refused.value.code == "network_not_available"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_leave_without_a_declaration_opens_no_way(package: Path) -> None:
    with opened(package, egress=leave(shop_test=["127.0.0.1"])) as sandbox:
        assert (
            sandbox.run(["perl", "-e", GET, "GET http://shop.test/"], env={}, stdin=b"", timeout_seconds=20).exit_code
            == 9
        )
        assert b"proxy" not in sandbox.run(["env"], env={}, stdin=b"", timeout_seconds=10).stdout


def test_each_sandbox_has_a_way_of_its_own(package: Path, shop: int) -> None:
    with (
        opened(package, f"shop.test:{shop}", f"127.0.0.1:{shop}", egress=leave(shop_test=["127.0.0.1"])) as first,
        opened(package, "other.test:80", egress=leave()) as second,
    ):
        assert "not_declared" in asked(second, f"GET http://shop.test:{shop}/")
        assert asked(first, f"GET http://shop.test:{shop}/").startswith("HTTP/1.1 200 ")
        assert (len(first.connections()), len(second.connections())) == (1, 1)


def test_settling_cuts_open_connections_and_tells_them(package: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with opened(package, f"127.0.0.1:{port}", egress=leave()) as sandbox:
            listener.settimeout(20)
            shell(sandbox, f'perl -e "$GET" "CONNECT 127.0.0.1:{port}" >/dev/null 2>&1 &', GET=GET)
            arrived, _peer = listener.accept()
            with arrived:
                sandbox.settle()
                arrived.settimeout(20)
                assert arrived.recv(1) == b""
            assert [one.host for one in sandbox.connections()] == ["127.0.0.1"]
            assert sandbox.connections() == []


def test_the_proxy_is_not_root_and_ends_with_its_owner(package: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with opened(package, "shop.test:80", egress=leave()):
                os.write(writer, b"x")
                time.sleep(60)
        finally:
            os._exit(1)
    os.close(writer)
    try:
        assert os.read(reader, 1) == b"x"
        mine = [pid for pid in processes_mentioning("egress.main") if _parent(pid) == child]
        assert len(mine) == 1
        if os.geteuid() == 0:
            assert "\nUid:\t18790" in Path(f"/proc/{mine[0]}/status").read_text()
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert until(lambda: mine[0] not in processes_mentioning("egress.main"))


def _parent(pid: int) -> int:
    """0 once it has ended: another test's may have in between."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def test_a_flood_of_requests_is_bounded_and_counted(package: Path) -> None:
    script = (
        "use IO::Socket::INET; for (1..60) { my $s = IO::Socket::INET->new(PeerAddr=>'127.0.0.1',PeerPort=>3128) or next;"
        ' print $s "CONNECT n$_.test:1 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"; my $l = <$s>; }'
    )
    with opened(package, "shop.test:80", egress=Egress(noted=20)) as sandbox:
        sandbox.run(["perl", "-e", script], env={}, stdin=b"", timeout_seconds=30)
        sandbox.settle()
        found = sandbox.connections()
    assert sum(one.count for one in found) == 60
    assert [one.code for one in found if one.code != "left_out"] == ["not_declared"] * 20
    assert isinstance(found[0], Connection)

"""Reaching what a package declares: shown, asked for, filtered and told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from commands import keiken, keiken_json

SKILL = "---\nname: look-outside\ndescription: Asks a server for a word.\nlicense: Apache-2.0\n---\n\n# Look\n"
ASK = """use IO::Socket::INET; my $to = $ARGV[0];
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 3128, Timeout => 5) or exit 9;
print $s "GET http://$to/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"; local $/; my $a = <$s>; print $a; exit($a =~ / 200 / ? 0 : 3);
"""


@pytest.fixture
def served() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server on loopback and what it was asked."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _peer = listener.accept()
                except OSError:
                    return
                with client:
                    heard.append(client.recv(65_536))
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nword")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: tuple[int, list[bytes]]) -> Path:
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "cache"))
    address = f"127.0.0.1:{served[0]}"
    made = tmp_path / "look-outside"
    (made / "scripts").mkdir(parents=True)
    (made / "scripts" / "ask.pl").write_text(ASK)
    (made / "SKILL.md").write_text(SKILL)
    fields = {
        "experience": "1",
        "name": "look-outside",
        "version": "1.0.0",
        "title": "Ask a server for a word",
        "license": "Apache-2.0",
        "permissions": {"commands": ["perl"], "network": [address]},
        "steps": [
            {
                "id": "ask",
                "run": ["perl", "scripts/ask.pl", address],
                "expect": ["result.exit_code == 0", "result.stdout.endsWith('word')"],
            }
        ],
        "scenarios": [{"name": "a word", "expect": ["true"]}],
    }
    (made / "experience.yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
    return made


def test_a_replay_that_would_leave_its_sandbox_asks_first(folder: Path, served: tuple[int, list[bytes]]) -> None:
    ran = keiken_json("replay", folder)
    assert (ran.exit_code, ran.code) == (3, "confirmation_missing")
    assert ran.document["plan"]["permissions"]["network"] == [f"127.0.0.1:{served[0]}"]
    assert served[1] == []


def test_allowed_it_reaches_what_it_declares_and_tells_so(folder: Path, served: tuple[int, list[bytes]]) -> None:
    ran = keiken_json("replay", folder, "--yes", "--allow-address", "127.0.0.1")
    assert (ran.exit_code, ran.document["outcome"]) == (0, "succeeded"), ran.document
    (told,) = ran.document["network"]
    assert (told["step"], told["host"], told["port"], told["code"]) == ("ask", "127.0.0.1", served[0], "")
    assert len(served[1]) == 1


def test_an_inner_address_is_not_reached_by_yes_alone(folder: Path, served: tuple[int, list[bytes]]) -> None:
    ran = keiken_json("replay", folder, "--yes")
    assert (ran.exit_code, ran.document["outcome"]) == (4, "diverged")
    assert [(told["step"], told["code"]) for told in ran.document["network"]] == [("ask", "address_not_public")]
    assert served[1] == []


def test_an_address_that_is_none_is_a_mistake_of_the_call(folder: Path) -> None:
    ran = keiken_json("replay", folder, "--yes", "--allow-address", "everything")
    assert (ran.exit_code, ran.code) == (1, "address_invalid")


def test_a_check_without_leave_is_inconclusive_and_with_it_proves(
    folder: Path, served: tuple[int, list[bytes]]
) -> None:
    ran = keiken_json("check", folder, "--environment", "local")
    assert [row["verdict"] for row in ran.document["scenarios"]] == ["inconclusive"]
    assert served[1] == []
    ran = keiken_json("check", folder, "--environment", "local", "--yes", "--allow-address", "127.0.0.1")
    assert [row["verdict"] for row in ran.document["scenarios"]] == ["passed"], ran.document
    assert len(served[1]) == 1


def test_a_person_sees_the_hosts(folder: Path, served: tuple[int, list[bytes]]) -> None:
    ran = keiken("replay", folder, "--yes", "--allow-address", "127.0.0.1")
    shown = ran.stdout + ran.stderr
    assert "From its sandbox it wants to reach:" in shown
    assert f"127.0.0.1:{served[0]}" in shown
    assert "Allowed of inner networks: 127.0.0.1" in shown
    assert f"GET 127.0.0.1:{served[0]}" in shown
    assert "let through" in shown

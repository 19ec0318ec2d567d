"""The executor for the real machine: asked for by name, confined to what was declared."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sandboxes import asleep, nap, package_at, until

import keiken
from keiken.errors import Failed, Refused
from keiken.sandbox import drivers, host, landlock
from keiken.sandbox.host import HostDriver, HostSandbox
from keiken.sandbox.protocol import Environment, Limits, RunResult

Opener = Callable[..., HostSandbox]
EVERYDAY = ("cat", "echo", "mkdir", "perl", "python3", "sleep", "touch", "true")


@functools.cache
def this_machine() -> Environment:
    return host.environment()


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "cache"))
    package = package_at(tmp_path / "sample")
    live: list[HostSandbox] = []
    environment = this_machine()

    def open_one(
        write: tuple[str, ...] = ("work/**",), commands: tuple[str, ...] = EVERYDAY, network: tuple[str, ...] = ()
    ) -> HostSandbox:
        made = HostDriver(write).open(
            environment=environment, package=package, commands=commands, network=network, limits=Limits()
        )
        live.append(made)
        return made

    yield open_one
    for sandbox in live:
        sandbox.close()


def sh(sandbox: HostSandbox, script: str, seconds: float = 10) -> RunResult:
    return sandbox.run(["sh", "-c", script], env={}, stdin=b"", timeout_seconds=seconds)


def test_it_must_be_imported_by_name_and_says_what_it_enforces() -> None:
    assert "host" not in drivers()
    code = "import keiken.sandbox, sys; keiken.sandbox.drivers(); sys.exit('keiken.sandbox.host' in sys.modules)"
    source = str(Path(keiken.__file__).parents[1])
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": source}, check=False).returncode == 0
    capability = HostDriver().probe()
    assert capability.working
    assert not capability.limits_enforced
    assert capability.isolation == ("landlock" if landlock.abi() else "none")


def test_a_step_runs_in_a_copy_of_the_package_with_a_clean_environment(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKEN_CANARY", "seen")
    sandbox = opener()
    result = sh(sandbox, "cat assets/list.csv; echo made > work/x; echo $HOME; echo ${KEIKEN_CANARY-none}; exit 3")
    lines = result.stdout.decode().splitlines()
    assert (result.exit_code, result.reason, lines[:2], lines[3]) == (3, "exited", ["a,b", "1,2"], "none")
    assert lines[2].startswith(str(tmp_path / "cache" / "jobs"))
    assert sandbox.read("work/x").content == b"made\n"
    assert not (tmp_path / "sample" / "work").exists()
    sandbox.settle()
    assert sandbox.read("work/x").content == b"made\n"
    sandbox.close()
    assert list((tmp_path / "cache" / "jobs").iterdir()) == []


def test_writing_works_where_it_was_declared_and_nowhere_else(opener: Opener, tmp_path: Path) -> None:
    declared, other = tmp_path / "declared", tmp_path / "other"
    for folder in (declared, other):
        folder.mkdir()
        (folder / "file").write_text("before\n", encoding="utf-8")
    single = tmp_path / "single.conf"
    single.write_text("before\n", encoding="utf-8")
    sandbox = opener(write=("work/**", f"{declared}/**", str(single)))
    result = sh(
        sandbox,
        f"echo after > {declared}/file; mkdir {declared}/new; echo after > {single};"
        f" echo after > {other}/file; touch {other}/new; echo x > assets/list.csv;"
        " touch /etc/keiken-test /tmp/keiken-test",
    )
    assert result.exit_code != 0
    assert (declared / "file").read_text(encoding="utf-8") == "after\n"
    assert (declared / "new").is_dir()
    assert single.read_text(encoding="utf-8") == "after\n"
    assert (other / "file").read_text(encoding="utf-8") == "before\n"
    assert not (other / "new").exists()
    assert not Path("/etc/keiken-test").exists()
    assert not Path("/tmp/keiken-test").exists()
    assert sandbox.read("assets/list.csv").content == b"a,b\n1,2\n"


def test_files_are_read_and_written_at_declared_absolute_paths(opener: Opener, tmp_path: Path) -> None:
    declared = tmp_path / "declared"
    declared.mkdir()
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (declared / "link").symlink_to(tmp_path / "secret")
    sandbox = opener(write=(f"{declared}/**",))
    sandbox.write(f"{declared}/deep/site.conf", b"new", 0o640)
    assert sandbox.read(f"{declared}/deep/site.conf").content == b"new"
    assert sandbox.read(f"{declared}/link").kind == "other"
    sandbox.write(f"{declared}/link", b"own", 0o600)
    assert (tmp_path / "secret").read_text(encoding="utf-8") == "secret"
    sandbox.remove(f"{declared}/deep")
    assert not (declared / "deep").exists()
    for path in (f"{tmp_path}/secret", f"{declared}/../secret", str(declared), "/etc/hosts"):
        with pytest.raises(Failed) as refused:
            sandbox.write(path, b"changed", 0o644)
        assert refused.value.code == "path_not_writable"
    assert (tmp_path / "secret").read_text(encoding="utf-8") == "secret"


def test_a_command_that_was_not_declared_is_not_executed(opener: Opener) -> None:
    sandbox = opener(commands=("echo",))
    result = sandbox.run(["id"], env={}, stdin=b"", timeout_seconds=5)
    assert (result.exit_code, result.stdout) == (126, b"")
    assert sandbox.run(["/no/such"], env={}, stdin=b"", timeout_seconds=5).reason == "not_found"


def test_only_declared_ports_can_be_reached(opener: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        declared, undeclared = one.getsockname()[1], other.getsockname()[1]
        script = (
            "import socket,sys\nfor port in sys.argv[1:]:\n"
            " try: socket.create_connection(('127.0.0.1', int(port)), 2); print('open')\n"
            " except PermissionError: print('refused')"
        )
        argv = ["python3", "-c", script, str(declared), str(undeclared)]
        allowed = opener(network=(f"127.0.0.1:{declared}",))
        assert allowed.run(argv, env={}, stdin=b"", timeout_seconds=10).stdout == b"open\nrefused\n"
        closed = opener()
        assert closed.run(argv, env={}, stdin=b"", timeout_seconds=10).stdout == b"refused\nrefused\n"
        assert {declared, undeclared} <= closed.listening_ports()
        with closed.connect("127.0.0.1", declared, 2):
            pass


@pytest.mark.parametrize(
    ("write", "network", "code"),
    [
        (("/etc/*.conf",), (), "write_pattern_not_enforceable"),
        (("/etc/../root/**",), (), "write_pattern_not_enforceable"),
        (("work/**",), ("example.org",), "network_pattern_invalid"),
        (("work/**",), ("example.org:99999",), "network_pattern_invalid"),
    ],
)
def test_what_cannot_be_enforced_is_refused_before_anything_is_made(
    opener: Opener, tmp_path: Path, write: tuple[str, ...], network: tuple[str, ...], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        opener(write=write, network=network)
    assert refused.value.code == code
    assert not (tmp_path / "cache" / "jobs").exists()


def test_all_it_started_ends_with_it_even_what_hides_in_sessions_of_its_own(opener: Opener) -> None:
    sandbox = opener()
    long = nap(4441)
    sh(sandbox, f"sleep {long} >/dev/null 2>&1 &")
    perl = f"use POSIX; fork and exit; POSIX::setsid(); fork and exit; exec 'sleep','{long}'"
    sandbox.run(["perl", "-e", perl], env={}, stdin=b"", timeout_seconds=30)
    assert until(lambda: len(asleep(long)) == 2)
    assert sh(sandbox, f"sleep {long}", seconds=0.2).reason == "timeout"
    sandbox.settle()
    assert asleep(long) == []


def test_when_its_owner_is_killed_all_it_started_ends_and_its_folder_goes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from keiken.sandbox.host import *\n"
        "e = Environment(name='host', digest='', root=Path('/'))\n"
        "s = HostDriver().open(environment=e, package=Path(sys.argv[1]),"
        " commands=['sleep'], network=[], limits=Limits())\n"
        "s.start(['sleep', sys.argv[2]], env={}); print('ready', flush=True)\n"
        "s.run(['sleep', sys.argv[2]], env={}, stdin=b'', timeout_seconds=60)"
    )
    long = nap(4442)
    package = package_at(tmp_path / "sample")
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(keiken.__file__).parents[1]),
        "KEIKEN_CACHE_DIR": str(tmp_path / "cache"),
    }
    with subprocess.Popen(
        [sys.executable, "-c", script, str(package), long], stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    assert until(lambda: not asleep(long))
    assert until(lambda: not list((tmp_path / "cache" / "jobs").iterdir()))

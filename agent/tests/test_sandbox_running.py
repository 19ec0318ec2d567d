"""Commands in a kept sandbox: how they end is seen from outside."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxes import asleep, nap, opened, package_at, perl, processes_mentioning, shell, until

from keiken.errors import Failed, Refused
from keiken.sandbox.session import NamespaceSandbox

pytestmark = pytest.mark.usefixtures("each_driver")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_at(tmp_path_factory.mktemp("package") / "sample")


@pytest.fixture(scope="module")
def sandbox(each_driver: str, package: Path) -> Iterator[NamespaceSandbox]:
    with opened(package) as live:
        yield live


def test_a_command_tells_its_exit_code_and_both_streams(sandbox: NamespaceSandbox) -> None:
    result = shell(sandbox, "echo out; echo err >&2; exit 7")
    assert (result.exit_code, result.reason, result.stdout, result.stderr) == (7, "exited", b"out\n", b"err\n")
    assert not result.truncated


def test_it_runs_in_the_job_folder_as_an_unprivileged_user_with_nothing_of_our_environment(
    sandbox: NamespaceSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKEN_CANARY", "seen")
    result = shell(sandbox, "pwd; id -u; env", EXTRA="given")
    lines = result.stdout.decode().splitlines()
    assert lines[:2] == ["/job", "1000"]
    assert sorted(line for line in lines[2:] if not line.startswith(("PWD=", "_=", "OLDPWD="))) == [
        "EXTRA=given",
        "HOME=/home/job",
        "LANG=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TZ=UTC",
    ]


def test_standard_input_arrives_whole(sandbox: NamespaceSandbox) -> None:
    content = bytes(range(256)) * 2000
    result = sandbox.run(["cat"], env={}, stdin=content, timeout_seconds=10)
    assert result.stdout == content


def test_a_long_argument_arrives_whole(sandbox: NamespaceSandbox) -> None:
    result = sandbox.run(["echo", "-n", "x" * 100_000], env={}, stdin=b"", timeout_seconds=10)
    assert result.stdout == b"x" * 100_000


def test_too_long_an_argument_is_told_and_harms_nothing(sandbox: NamespaceSandbox) -> None:
    result = sandbox.run(["echo", "x" * 200_000], env={}, stdin=b"", timeout_seconds=10)
    assert (result.exit_code, result.reason) == (126, "exited")
    assert b"Argument list too long" in result.stderr
    assert shell(sandbox, "true").exit_code == 0


@pytest.mark.parametrize("argv", [["no-such-command"], ["/no/such/file"], [""]])
def test_a_missing_command_is_told_apart_from_one_that_ends_with_127(
    sandbox: NamespaceSandbox, argv: list[str]
) -> None:
    assert sandbox.run(argv, env={}, stdin=b"", timeout_seconds=5).reason == "not_found"
    forged = shell(sandbox, "echo 2 >&3 2>/dev/null; exit 127")
    assert (forged.exit_code, forged.reason) == (127, "exited")


def test_a_command_that_was_not_declared_is_not_executed(package: Path) -> None:
    with opened(package, commands=["echo"]) as sandbox:
        refused = sandbox.run(["ls"], env={}, stdin=b"", timeout_seconds=5)
        assert (refused.exit_code, refused.stdout) == (126, b"")
        by_shell = shell(sandbox, "echo fine; ls /; echo rest")
        assert by_shell.stdout == b"fine\nrest\n"
        assert b"Permission denied" in by_shell.stderr
        script = sandbox.run(["scripts/hello.sh"], env={}, stdin=b"", timeout_seconds=5)
        assert script.stdout == b"hello\n"


def test_what_was_just_written_cannot_be_executed_by_name(package: Path) -> None:
    with opened(package, commands=["cp", "chmod"]) as sandbox:
        result = shell(sandbox, "cp /bin/ls work/mine && chmod 755 work/mine && work/mine /")
        assert (result.exit_code, result.stdout) == (126, b"")


def test_the_death_by_a_signal_is_told(sandbox: NamespaceSandbox) -> None:
    result = shell(sandbox, "kill -15 $$")
    assert (result.exit_code, result.reason) == (128 + 15, "signaled")


def test_a_command_that_takes_too_long_is_killed_with_its_children(sandbox: NamespaceSandbox) -> None:
    started, long = time.monotonic(), nap(321)
    result = shell(sandbox, f"echo begun; sleep {long} & sleep {long}", seconds=2)
    assert (result.exit_code, result.reason, result.stdout) == (137, "timeout", b"begun\n")
    assert time.monotonic() - started < 60
    assert asleep(long) == []


def test_all_commands_together_have_the_wall_time_of_the_sandbox(package: Path) -> None:
    with opened(package, wall_seconds=3) as sandbox:
        assert shell(sandbox, "sleep 0.5").reason == "exited"
        assert shell(sandbox, "sleep 9").reason == "timeout"
        assert shell(sandbox, "sleep 9").reason == "timeout"


def test_a_flood_of_output_is_cut_and_then_killed(package: Path) -> None:
    with opened(package, output_kept_bytes=1000, output_killed_bytes=1 << 20) as sandbox:
        cut = shell(sandbox, "head -c 5000 /dev/zero")
        assert (cut.reason, len(cut.stdout), cut.truncated) == ("exited", 1000, True)
        flood = sandbox.run(["yes"], env={}, stdin=b"", timeout_seconds=10)
        assert (flood.reason, flood.exit_code, len(flood.stdout)) == ("output_limit", 137, 1000)


def test_memory_beyond_the_limit_is_told_as_such(package: Path) -> None:
    with opened(package, memory_mib=64) as sandbox:
        result = sandbox.run(
            ["perl", "-e", "my @a; push @a, 'x' x (1 << 20) while 1"], env={}, stdin=b"", timeout_seconds=20
        )
        assert sandbox.limits_enforced
        assert (result.reason, result.exit_code) == ("out_of_memory", 137)
        assert shell(sandbox, "echo still here").stdout == b"still here\n"


def test_files_in_memory_count_as_memory_and_the_work_folder_has_its_size(package: Path) -> None:
    with opened(package, work_mib=4, work_inodes=40) as sandbox:
        full = shell(sandbox, "dd if=/dev/zero of=work/big bs=1M count=9 2>&1; rm work/big")
        assert b"No space left on device" in full.stdout
        many = shell(sandbox, "i=0; while [ $i -lt 60 ]; do : > work/f$i || exit 3; i=$((i+1)); done")
        assert many.exit_code != 0
        assert 30 <= len(sandbox.paths("work/*")) < 40


def test_a_fork_bomb_is_bounded_and_dies(package: Path) -> None:
    with opened(package, pids=20) as sandbox:
        bomb = f"b{os.getpid()}"  # the other driver's turn may run beside this one
        result = shell(sandbox, f"{bomb}() {{ {bomb} | {bomb} & }}; {bomb}; sleep 0.3; echo survived", seconds=3)
        assert result.duration_seconds < 30
    assert processes_mentioning(f"{bomb}() {{") == []


def test_a_background_process_does_not_hold_the_step_and_lives_on_to_the_next(sandbox: NamespaceSandbox) -> None:
    script = "(i=0; while [ $i -lt 9000 ]; do i=$((i+1)); echo $i; echo $i > work/tick; sleep 0.01; done) & echo begun"
    ran = shell(sandbox, script, seconds=60)
    assert (ran.reason, b"begun" in ran.stdout.splitlines()) == ("exited", True)
    first = int(sandbox.read("work/tick").content or b"0")
    assert until(lambda: int(sandbox.read("work/tick").content or b"0") > first + 5)


def test_standard_output_can_be_reopened_by_name(sandbox: NamespaceSandbox) -> None:
    result = shell(sandbox, "echo a > /dev/stdout; echo b > /dev/stderr; echo c > /proc/self/fd/1")
    assert (result.stdout, result.stderr) == (b"a\nc\n", b"b\n")


def test_settling_kills_everything_and_leaves_the_files_to_read(package: Path) -> None:
    with opened(package) as sandbox:
        long = nap(654)
        shell(sandbox, f"echo kept > work/kept; setsid sleep {long} >/dev/null 2>&1 &")
        sandbox.start(["sleep", long], env={})
        assert until(lambda: len(asleep(long)) == 2)
        sandbox.settle()
        assert asleep(long) == []
        assert sandbox.read("work/kept").content == b"kept\n"
        assert sandbox.paths("work/**") == ["work/kept"]
        assert sandbox.listening_ports() == frozenset()
        with pytest.raises(Failed) as refused:
            shell(sandbox, "echo changed > work/kept")
        assert refused.value.code == "sandbox_settled"
        with pytest.raises(Failed):
            sandbox.write("work/kept", b"changed", 0o644)
        assert sandbox.read("work/kept").content == b"kept\n"
        sandbox.settle()
    sandbox.close()


def test_a_job_that_kills_all_it_can_reach_only_ends_itself(each_driver: str, package: Path) -> None:
    with opened(package) as sandbox:
        long = nap(655)
        sandbox.start(["sleep", long], env={})
        result = shell(sandbox, "kill -9 -1; sleep 0.2")
        assert until(lambda: not asleep(long)), "only settling promises that all have ended when it returns"
        if each_driver == "bubblewrap":  # its own processes inside are the job's user's
            assert (result.reason, result.exit_code) == ("killed", 137)
            assert shell(sandbox, "echo again").reason == "killed"
        else:  # the kernel keeps a first process from what it is its first process of, and the shell from itself
            assert (result.reason, result.exit_code) == ("exited", 0)
            assert shell(sandbox, "echo again").stdout == b"again\n"
        assert sandbox.read("assets/list.csv").exists


def test_orphans_that_end_do_not_pile_up(package: Path) -> None:
    with opened(package, pids=20) as sandbox:
        orphans = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); (true & true); done; echo done"
        assert shell(sandbox, orphans).stdout == b"done\n"
        zombies = "for (glob('/proc/[0-9]*/stat')) { open(my $f, '<', $_) or next; print $_ if <$f> =~ /\\) Z / }"
        assert until(lambda: perl(sandbox, zombies).stdout == b"")


def test_a_service_answers_on_loopback_from_outside_and_is_seen_listening(package: Path) -> None:
    server = (
        "import socket; s=socket.create_server(('127.0.0.1', 8123))\n"
        "while True:\n c,_=s.accept(); c.sendall(c.recv(100).upper()); c.close()"
    )
    with opened(package) as sandbox:
        assert sandbox.listening_ports() == frozenset()
        with pytest.raises(ConnectionRefusedError):
            sandbox.connect("127.0.0.1", 8123, 1)
        sandbox.start(["python3", "-c", server], env={})
        assert until(lambda: 8123 in sandbox.listening_ports())
        for host in ("127.0.0.1", "localhost", "shop.localhost"):
            with sandbox.connect(host, 8123, 2) as connection:
                connection.sendall(b"hello")
                assert connection.recv(100) == b"HELLO"


def test_a_service_that_does_not_exist_is_told(sandbox: NamespaceSandbox) -> None:
    with pytest.raises(Failed) as refused:
        sandbox.start(["no-such-daemon"], env={})
    assert refused.value.code == "service_not_started"


def test_names_are_never_looked_up_outside(sandbox: NamespaceSandbox) -> None:
    with pytest.raises(OSError, match="not known in the sandbox"):
        sandbox.connect("example.org", 80, 1)
    with pytest.raises(OSError, match=r"[Uu]nreachable"):
        sandbox.connect("192.0.2.1", 80, 1)


def test_a_network_is_refused_before_anything_starts(package: Path) -> None:
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = children.read_text()
    with pytest.raises(Refused) as refused, opened(package, network=["example.org:443"]):
        pass
    assert refused.value.code == "network_not_available"
    assert children.read_text() == before


def test_two_threads_may_use_one_sandbox(sandbox: NamespaceSandbox) -> None:
    answers: dict[int, bytes] = {}

    def work(number: int) -> None:
        answers[number] = shell(sandbox, f"sleep 0.05; echo {number}").stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"{number}\n".encode() for number in range(4)}

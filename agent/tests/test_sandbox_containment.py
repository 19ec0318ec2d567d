"""What code inside may not do, tried for real; docs/sandbox.md names each of these."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxes import debian, opened, package_at, perl, shell, until

from keiken.sandbox import drivers, probes, seccomp, selftest, working_driver
from keiken.sandbox.session import NamespaceSandbox


@pytest.fixture(scope="module")
def sandbox(each_driver: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceSandbox]:
    with opened(package_at(tmp_path_factory.mktemp("package") / "sample")) as live:
        yield live


PROBES = sorted(probes.programs(host_port=1, host_pid=1))


@pytest.mark.parametrize("name", PROBES)
def test_a_known_escape_is_refused(sandbox: NamespaceSandbox, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = probes.programs(host_port=listener.getsockname()[1], host_pid=os.getpid())[name]
        ended = sandbox.run(argv, env={}, stdin=b"", timeout_seconds=5)
    assert (ended.reason, ended.exit_code) == ("exited", probes.REFUSED)


@pytest.mark.parametrize(
    "name",
    ["become_root", "environment", "host_network", "host_processes", "host_secrets", "rights",
     "virtual_machine_socket", "user_namespace", "other_interfaces", "bpf", "trace", "kernel_keys", "io_uring"],
)  # fmt: skip
def test_the_probe_would_notice_where_nothing_confines_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harmless ones, tried on this machine without any sandbox: a probe that cannot fail proves nothing."""
    import subprocess

    if os.geteuid() != 0:
        expected = {"host_network", "host_processes", "environment", "rights"}
        if name not in expected:
            return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = probes.programs(host_port=listener.getsockname()[1], host_pid=os.getpid())[name]
        ended = subprocess.run(argv, env={**os.environ, "KEIKEN_CANARY": "1"}, check=False, timeout=10)
    assert ended.returncode != probes.REFUSED


def test_the_driver_proves_itself_and_is_remembered(each_driver: str) -> None:
    selftest.forget()
    capability = drivers()[each_driver].probe()
    assert (capability.working, capability.isolation) == (True, "namespace")
    assert len(capability.self_test) >= 20
    assert set(capability.self_test.values()) == {"contained"}
    assert capability.driver == each_driver
    assert drivers()[each_driver].probe() is capability
    assert working_driver(each_driver).name == each_driver


def test_one_miss_of_the_self_test_disables_the_driver(each_driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that lets everything pass is noticed, and then nothing is run."""
    import pyseccomp

    def open_program() -> bytes:
        import tempfile

        with tempfile.TemporaryFile() as file:
            pyseccomp.SyscallFilter(pyseccomp.ALLOW).export_bpf(file)
            file.seek(0)
            return file.read()

    monkeypatch.setattr(seccomp, "program", open_program)
    selftest.forget()
    capability = drivers()[each_driver].probe()
    selftest.forget()
    assert not capability.working
    assert capability.self_test["virtual_machine_socket"] == "got through"
    assert "virtual_machine_socket" in capability.problem or "kernel_keys" in capability.problem


def test_the_filter_is_the_same_every_time() -> None:
    assert seccomp.program() == seccomp.program()
    assert seccomp.digest().startswith("sha256:")
    assert len(seccomp.program()) % 8 == 0


def test_the_runtimes_own_profile_says_the_same_as_the_compiled_filter() -> None:
    """runc compiles the profile for its first process; here the profile is compiled and compared, bit by bit."""
    import tempfile

    import pyseccomp

    profile = seccomp.profile()
    made = pyseccomp.SyscallFilter(pyseccomp.ERRNO(profile["defaultErrnoRet"]))
    made.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    for group in profile["syscalls"]:
        action = pyseccomp.ERRNO(group["errnoRet"]) if "errnoRet" in group else pyseccomp.ALLOW
        arguments = [
            pyseccomp.Arg(one["index"], getattr(pyseccomp, one["op"].removeprefix("SCMP_CMP_")), one["value"],
                          *([one["valueTwo"]] if "valueTwo" in one else []))
            for one in group.get("args", [])
        ]  # fmt: skip
        for name in group["names"]:
            with contextlib.suppress(ValueError):  # a call of other processors
                if pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) >= 0:
                    made.add_rule(action, name, *arguments)
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        assert file.read() == seccomp.program()


def test_socket_families_are_limited(sandbox: NamespaceSandbox) -> None:
    kinds = [(1, 1, 0), (2, 1, 0), (2, 2, 0), (10, 1, 0), (16, 3, 0), (16, 3, 9), (40, 1, 0), (17, 3, 0), (38, 5, 0)]
    kinds += [(31, 3, 0), (2, 3, 1)]
    script = (
        f"import socket\nfor f,t,p in {kinds}:\n"
        " try: socket.socket(f,t,p); print(f,'made')\n except OSError: print(f,'refused')"
    )
    lines = sandbox.run(["python3", "-c", script], env={}, stdin=b"", timeout_seconds=5).stdout.decode().splitlines()
    assert lines == ["1 made", "2 made", "2 made", "10 made", "16 made", "16 refused", "40 refused", "17 refused",
                     "38 refused", "31 refused", "2 refused"]  # fmt: skip


def test_the_machine_cannot_be_recognized_from_the_process_table(sandbox: NamespaceSandbox) -> None:
    seen = shell(sandbox, "cat /proc/1/environ /proc/1/cmdline /proc/*/environ /proc/cmdline 2>/dev/null").stdout
    assert str(Path.cwd()).encode() not in seen
    assert b"KEIKEN" not in seen
    assert seen.startswith(b"bwrap\0--args" if sandbox.driver == "bubblewrap" else b"/bin/cat\0")
    assert shell(sandbox, "cat /proc/self/cgroup").stdout.count(b"keiken") == 0
    assert shell(sandbox, "cat /proc/sys/kernel/hostname").stdout == b"sandbox\n"


def test_another_process_cannot_be_looked_into_while_it_enters(sandbox: NamespaceSandbox) -> None:
    """A child of the launcher is for a moment in the sandbox with the launcher's memory and files."""
    watch = (
        "my $end = time + 2; my $seen = 0; while (time < $end) { opendir(my $d,'/proc');"
        " for my $p (grep {/^\\d+$/} readdir $d) {"
        ' next if $p == $$; if (open(my $m,\'<\',"/proc/$p/mem") && (readlink("/proc/$p/exe") // "") =~ /python/)'
        " { $seen++ } } } open(my $o,'>','/job/work/seen'); print $o $seen"
    )
    sandbox.start(["perl", "-e", watch], env={})
    for _turn in range(100):
        shell(sandbox, "true")
    assert until(lambda: sandbox.read("work/seen").content)
    assert sandbox.read("work/seen").content == b"0"


def test_no_file_inside_gives_other_rights(sandbox: NamespaceSandbox) -> None:
    wanted = 'no_chdir => 1, wanted => sub { my @s = lstat; print "$_\\n" if @s && -f _ && ($s[2] & 06000) }'
    found = perl(sandbox, f"require File::Find; File::Find::find({{ {wanted} }}, '/usr', '/etc', '/var')")
    assert (found.exit_code, found.stdout) == (0, b"") or debian().name == "local"


def test_times_and_names_of_the_machine_cannot_be_set(sandbox: NamespaceSandbox) -> None:
    script = (
        "import ctypes, time\nc=ctypes.CDLL(None,use_errno=True)\n"
        "for f,a in [('sethostname',(b'x',1)),('settimeofday',((ctypes.c_long*2)(0,0),None)),('swapoff',(b'/x',)),"
        "('chroot',(b'/tmp',)),('umount2',(b'/tmp',2)),('reboot',(0,)),('setns',(0,0)),('personality',(0x0040000,))]:\n"
        " print(f, getattr(c,f)(*a))"
    )
    lines = sandbox.run(["python3", "-c", script], env={}, stdin=b"", timeout_seconds=5).stdout.decode().splitlines()
    assert lines == [f"{name} -1" for name in (
        "sethostname", "settimeofday", "swapoff", "chroot", "umount2", "reboot", "setns", "personality")]  # fmt: skip


def test_the_32_bit_calling_convention_ends_the_process(sandbox: NamespaceSandbox) -> None:
    """By it, calls have other numbers, which a filter for the native ones would misread."""
    if platform.machine() != "x86_64":
        return
    code = bytes.fromhex("b814000000cd80c3")  # mov eax, 20 (getpid); int 0x80; ret
    script = (
        "import ctypes, mmap\n"
        "m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ|mmap.PROT_WRITE|mmap.PROT_EXEC)\n"
        f"m.write({code!r})\n"
        "f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\n"
        "print('reached', f())"
    )
    ended = sandbox.run(["python3", "-c", script], env={}, stdin=b"", timeout_seconds=5)
    assert (ended.reason, ended.exit_code, ended.stdout) == ("signaled", 128 + 31, b"")  # SIGSYS


def test_a_command_inherits_nothing_but_its_three_streams(sandbox: NamespaceSandbox) -> None:
    script = (
        "for my $p ($$, grep { /^[0-9]+$/ } map { s{.*/}{}r } glob('/proc/[0-9]*')) { for (glob(\"/proc/$p/fd/*\")) {"
        " my $to = readlink($_) // next;"
        ' print "$p $_ $to\\n" if $p == $$ ? !m{/[0-3]$} : $to =~ /socket|memfd|namespace|mnt:/ } }'
    )
    listed = perl(sandbox, script)
    assert (listed.exit_code, listed.stdout) == (0, b"")
    ignored = shell(
        sandbox, "while read name value; do case $name in SigIgn:|SigBlk:) echo $value;; esac; done < /proc/self/status"
    )
    # Signals 32 and 33 are the C library's own: nobody can set them, and they come down from whatever started the tests.
    own = 0b11 << 31
    assert [int(value, 16) & ~own for value in ignored.stdout.split()] == [0, 0]


def test_opening_and_closing_leaves_no_descriptor_and_no_child_behind(each_driver: str, tmp_path: Path) -> None:
    package = package_at(tmp_path / "sample")
    with opened(package) as first:
        shell(first, "true")
    gc.collect()  # what an earlier test has left is not counted
    before = len(list(Path("/proc/self/fd").iterdir()))
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    children_before = set(children.read_text(encoding="ascii").split())
    for _turn in range(3):
        with opened(package) as live:
            shell(live, "sleep 5 & echo begun")
            live.start(["sleep", "5"], env={})
            with pytest.raises(ConnectionRefusedError):
                live.connect("127.0.0.1", 1, 1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert set(children.read_text(encoding="ascii").split()) <= children_before

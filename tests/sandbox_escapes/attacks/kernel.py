"""Calls that administer a machine, or that kernels were broken by before."""

from __future__ import annotations

import platform

from tests.sandbox_escapes.attack import Attack
from tests.sandbox_escapes.pens import namespaces

_NEW_USER, _NEW_NET = 0x1000_0000, 0x4000_0000
_CHILD = "my $child = fork(); if (!$child) { sleep 5; POSIX::_exit(0) }\n"
# An x86-64 program of 16 bytes after its headers: mov eax, 20 (getpid by i386 numbers); int 0x80; mov edi, 9;
# mov eax, 231 (exit_group); syscall.
_INT80_CODE = bytes.fromhex("b814000000cd80bf09000000b8e70000000f05")


def _elf(code: bytes) -> bytes:
    """A program without anything but its code, as the kernel needs it."""
    base, headers = 0x400000, 120
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    numbers = [(2, 2), (62, 2), (1, 4), (base + headers, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2)]
    header = ident + b"".join(value.to_bytes(size, "little") for value, size in [*numbers, (0, 2), (0, 2), (0, 2)])
    size = headers + len(code)
    segment = [(1, 4), (5, 4), (0, 8), (base, 8), (base, 8), (size, 8), (size, 8), (0x1000, 8)]
    return header + b"".join(value.to_bytes(width, "little") for value, width in segment) + code


def _call(name: str, arguments: str, *, before: str = "", pen: list[str] | None = None) -> Attack:
    call = name.removesuffix("_call")
    return Attack(name=name, pen=pen or (), script=f"{before}judge(works('{call}', {arguments}), '{call}');")


ATTACKS = [
    Attack(
        name="mount",
        pen=namespaces("--mount"),
        script="judge(works('mount', 'none', 'work', 'tmpfs', 0, 0), 'mounted');",
    ),
    Attack(
        name="mount_cgroup",
        pen=namespaces("--mount", "--cgroup"),
        script="judge(works('mount', 'none', 'work', 'cgroup2', 0, 0), 'mounted a control group');",
    ),
    Attack(
        name="mount_proc",
        pen=namespaces("--mount", "--pid", "--fork"),
        script="judge(works('mount', 'proc', 'work', 'proc', 0, 0), 'mounted a fresh /proc');",
    ),
    Attack(
        name="remount",
        pen=namespaces("--mount"),
        script="judge(works('mount', 'none', '/proc', 'none', 32 | 4096, 0), 'remounted, writable');",
    ),
    Attack(
        name="unmount",
        pen=namespaces("--mount"),
        script="judge(works('umount2', '/proc', 2), 'unmounted what hides something');",
    ),
    _call("fsopen", "'tmpfs', 0"),
    _call("open_tree", "-100, '/', 1", pen=namespaces("--mount")),
    Attack(name="chroot", script="judge(works('chroot', 'work'), 'a root of its own');"),
    Attack(
        name="pivot_root",
        pen=namespaces("--mount"),
        script="""# In the pen a mount on work comes first; inside there is one already.
        call('mount', 'work', 'work', '', 4096, 0); mkdir 'work/old';
        judge(works('pivot_root', 'work', 'work/old'), 'another root');""",
    ),
    Attack(name="unshare_user", script=f"judge(works('unshare', {_NEW_USER}), 'a user namespace');"),
    Attack(
        name="unshare_network", pen=namespaces(), script=f"judge(works('unshare', {_NEW_NET}), 'a network namespace');"
    ),
    Attack(
        name="clone_user",
        script=f"""my $pid = call('clone', {_NEW_USER} | 17, 0, 0, 0, 0);
        POSIX::_exit(0) if $pid == 0; judge($pid > 0, 'a child in a user namespace');""",
    ),
    Attack(
        name="clone3_user",
        script=f"""my $pid = call('clone3', pack('Q11', {_NEW_USER}, 0, 0, 0, 17, (0) x 6), 88);
        POSIX::_exit(0) if $pid == 0; judge($pid > 0, 'a child in a user namespace');""",
    ),
    Attack(
        name="setns",
        pen=namespaces(),
        script="open(my $n, '<', '/proc/self/ns/net') or refused($!); judge(works('setns', fileno($n), 0), 'joined');",
    ),
    Attack(
        name="ptrace",
        script=_CHILD + "my $done = works('ptrace', 16, $child, 0, 0); my $why = $!; kill 9, $child; $! = $why;"
        "judge($done, 'traced another process');",
    ),
    Attack(
        name="process_vm_readv",
        script=_CHILD
        + """my ($from, $to) = ("\\0" x 8, "\\0" x 8);
        my $local = pack('QQ', unpack('Q', pack('P', $to)), 8); my $remote = pack('QQ', unpack('Q', pack('P', $from)), 8);
        my $read = call('process_vm_readv', $child, $local, 1, $remote, 1, 0); my $why = $!;
        kill 9, $child; $! = $why; judge($read == 8, 'read another memory');""",
    ),
    Attack(
        name="pidfd_getfd",
        script=_CHILD
        + """my $pidfd = call('pidfd_open', $child, 0);
        my $got = call('pidfd_getfd', $pidfd, 0, 0); my $why = $!; kill 9, $child; $! = $why;
        judge($got >= 0, 'took a descriptor');""",
    ),
    Attack(
        name="kcmp",
        script=_CHILD + "my $done = works('kcmp', $$, $child, 1, 0, 0); my $why = $!; kill 9, $child; $! = $why;"
        "judge($done, 'compared kernel pointers');",
    ),
    _call("add_key", "'user', $MARKER, 'x', 1, -2"),
    _call("userfaultfd", "1"),
    _call("bpf", "0, pack('L4', 2, 4, 8, 1) . \"\\0\" x 112, 72"),
    _call("perf_event_open", "pack('LLQQQQQ', 1, 120, 1, 0, 0, 0, 1) . \"\\0\" x 72, 0, -1, -1, 0"),
    Attack(name="io_uring", script="judge(works('io_uring_setup', 1, \"\\0\" x 120), 'a ring');"),
    _call("fanotify_init", "0, 0"),
    _call("name_to_handle_at", "-100, '/', pack('LL', 128, 0) . \"\\0\" x 128, \"\\0\" x 8, 0"),
    _call("syslog", "10, 0, 0"),
    _call("acct", "0"),
    Attack(
        name="clock",
        script='my $now = "\\0" x 16; syscall($NR{clock_gettime}, 0, $now);'
        "judge(syscall($NR{clock_settime}, 0, $now) == 0, 'set the clock (to what it was)');",
    ),
    _call("sethostname", "$MARKER, 10", pen=namespaces("--uts")),
    _call("setdomainname", "$MARKER, 10", pen=namespaces("--uts")),
    _call("personality", "0x0040000"),
    Attack(
        name="capabilities",
        pen=namespaces(),
        script="judge(syscall($NR{capset}, my $who = pack('LL', 0x20080522, 0), my $all = pack('L6', (0x200000) x 2,"
        " 0, 0, 0, 0)) == 0, 'CAP_SYS_ADMIN');",
    ),
    Attack(name="become_root", pen=namespaces(), script="$< = 0; $> = 0; judge($< == 0 && $> == 0, 'user 0');"),
    Attack(
        name="become_another_user",
        script="my ($uid) = $< == 0 ? 1879051999 : $< + 1; $< = $uid; judge($< == $uid, 'another user');",
    ),
    Attack(
        name="realtime",
        script="judge(works('sched_setscheduler', 0, 1, pack('l', 1)), 'runs before everybody else');",
    ),
    Attack(
        name="device_node",
        script="""judge(works('mknodat', -100, 'work/null', 0020666, 0x103) && open(my $d, '>', 'work/null'),
        'a device');""",
    ),
]
if platform.machine() == "x86_64":
    ATTACKS.append(
        Attack(
            name="int_0x80",
            commands=("perl", "scripts/int80"),
            files={"scripts/int80": _elf(_INT80_CODE)},
            script="my $status = system('scripts/int80');"
            "$status == 9 << 8 ? through('a call by the numbers of i386') : refused(\"ended with $status\");",
        )
    )

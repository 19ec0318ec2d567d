"""The escapes a sandbox must refuse, as small Perl programs (``perl-base`` is in every Debian root).

Each ends with 0 when it was refused and with 9 when it got through; anything else means it could not be tried, which
counts
as not contained. What they print is never looked at.
"""

from __future__ import annotations

import platform

REFUSED, GOT_THROUGH = 0, 9

_NUMBERS = {
    "x86_64": {
        "ptrace": 101, "mount": 165, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "name_to_handle_at": 303,
        "setns": 308, "process_vm_readv": 310, "bpf": 321, "userfaultfd": 323,
    },
    "aarch64": {
        "ptrace": 117, "mount": 40, "keyctl": 219, "unshare": 97, "perf_event_open": 241, "name_to_handle_at": 264,
        "setns": 268, "process_vm_readv": 270, "bpf": 280, "userfaultfd": 282,
    },
}  # fmt: skip
_EVERYWHERE = {"io_uring_setup": 425, "open_tree": 428, "fsopen": 430, "clone3": 435, "pidfd_getfd": 438}
_NEWUSER = 0x1000_0000

_OPEN_FOR_WRITING = """
for my $path (@ARGV) {{ if (open(my $f, {mode}, $path)) {{ exit 9 }} }}
exit 0;
"""


def _call(name: str, arguments: str = "0,0,0,0,0") -> str:
    number = {**_NUMBERS.get(platform.machine(), {}), **_EVERYWHERE}[name]
    return f"exit(syscall({number},{arguments}) < 0 && ($! == 1 || $! == 38) ? 0 : 9);"  # EPERM or ENOSYS


def programs(*, host_port: int, host_pid: int) -> dict[str, list[str]]:
    """Probe name to argv. ``host_port`` is listened on out here, ``host_pid`` is a process out here."""
    calls = {
        "mount": _call("mount", "my $a='none', my $b='/tmp', my $c='tmpfs', 0, 0"),
        "new_mount_api": _call("open_tree", "-100, my $a='/', 1"),
        "user_namespace": _call("unshare", str(_NEWUSER)),
        "user_namespace_by_clone3": _call("clone3", "my $a=pack('Q11',0x10000000,(0)x10), 88"),
        "trace": _call("ptrace"),
        "other_memory": _call("process_vm_readv", "1,0,0,0,0,0"),
        "kernel_keys": _call("keyctl", "0,-3,1"),
        "bpf": _call("bpf", "0,my $a=pack('Q16',(0)x16),128"),
        "perf": _call("perf_event_open", "my $a=pack('Q16',(0)x16),0,-1,-1,0"),
        "user_faults": _call("userfaultfd", "0"),
        "io_uring": _call("io_uring_setup", '1,my $a="\\0" x 120'),
        "file_handles": _call("name_to_handle_at", "-100,my $a='/',my $b=pack('LL',0,0),my $c=pack('L',0),0"),
    }
    written = {
        "write_outside_work": ["/etc/x", "/usr/x", "/job/x", "/x", "/dev/x", "/proc/x", "/usr/bin/sh", "/job/SKILL.md"],
        "kernel_settings": [
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/vm/drop_caches",
            "/proc/sysrq-trigger",
            "/proc/sys/kernel/hostname",
            "/sys/kernel/uevent_helper",
        ],
    }
    texts = {
        **calls,
        "host_secrets": "for ('/etc/shadow','/root/.ssh','/etc/ssh/ssh_host_rsa_key','/proc/kcore','/dev/mem',"
        "'/dev/kmsg')"
        " { exit 9 if open(my $f, '<', $_) && -s $_ } exit 0;",
        "host_network": "socket(my $s,2,1,0) or exit 1; exit(connect($s, pack('SnC4x8',2,"
        f"{host_port},127,0,0,1)) ? 9 : 0);",
        "other_interfaces": "open(my $f,'<','/proc/self/net/dev') or exit 1; my @l=<$f>;"
        " exit((grep { /:/ && !/^\\s*lo:/ } @l) ? 9 : 0);",
        "virtual_machine_socket": "exit(socket(my $s,40,1,0) ? 9 : 0);",
        "packet_socket": "exit(socket(my $s,17,3,768) ? 9 : 0);",
        "become_root": "$> = 0; $< = 0; exit(($> == 0 || $< == 0) ? 9 : 0);",
        "host_processes": f"exit 9 if -e '/proc/{host_pid}' || kill(0,{host_pid});"
        " opendir(my $d,'/proc') or exit 1; my @p = grep { /^\\d+$/ } readdir $d; exit(@p > 8 ? 9 : 0);",
        "first_process": "for ('environ','cmdline') { open(my $f,'<',\"/proc/1/$_\") or next;"
        " local $/; my $t=<$f> // '';"
        " exit 9 if ($_ eq 'environ' && length $t) || $t =~ m{/(home|work|root|var|tmp|srv)/} } exit 0;",
        "environment": "my %known = map { $_ => 1 } qw(HOME PATH LANG TZ PWD _);"
        " exit((grep { !$known{$_} } keys %ENV) ? 9 : 0);",
        "rights": "open(my $f,'<','/proc/self/status') or exit 1; local $/; my $t=<$f>;"
        " exit(($t =~ /CapBnd:\\s*0+\\n/ && $t =~ /CapEff:\\s*0+\\n/ && $t =~ /CapPrm:\\s*0+\\n/"
        " && $t =~ /NoNewPrivs:\\s*1/ && $t =~ /Seccomp:\\s*2/) ? 0 : 9);",
        "device_nodes": "exit(syscall("
        + ("133" if platform.machine() == "x86_64" else "33,-100")
        + ",my $a='/tmp/d',0020666,0x103) == 0 ? 9 : 0);",
    }
    argvs = {name: ["perl", "-e", text] for name, text in texts.items()}
    for name, paths in written.items():
        argvs[name] = ["perl", "-e", _OPEN_FOR_WRITING.format(mode="'>>'"), *paths]
    return dict(sorted(argvs.items()))

"""The system calls code in a sandbox may make: an allow-list, compiled to classic BPF by libseccomp.

The idea of the list (allow what programs need, refuse what administers the machine) is that of the containers/moby
default
profile; it is stricter here: no namespaces, mounts, tracing, keys, BPF, io_uring or unusual socket families at all.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from keiken.errors import SandboxUnavailable
from keiken.i18n import _

ALLOWED = """
accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres clock_gettime
clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group
faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr
flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_wait futex_wake futex_requeue
futex_waitv futimesat getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid
getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit get_robust_list getrusage getsid getsockname
getsockopt get_thread_area gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1
inotify_rm_watch ioprio_get ioprio_set kill lchown lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek
lsetxattr lstat madvise map_shadow_stack membarrier memfd_create mincore mkdir mkdirat mlock mlock2 mlockall mmap
mprotect
mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync
munlock munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2
pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2
read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr rename renameat
renameat2
restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
rt_sigtimedwait rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max
sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto setfsgid
setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit set_robust_list
setsid setsockopt set_thread_area set_tid_address setuid setxattr shmat shmctl shmdt shmget shutdown sigaltstack
signalfd
signalfd4 socketpair splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
timer_create timer_delete timerfd_create timerfd_gettime timerfd_settime timer_getoverrun timer_gettime timer_settime
times tkill truncate umask uname unlink unlinkat utime utimensat utimes vfork vmsplice wait4 waitid write writev
""".split()

REFUSED = """
acct add_key adjtimex bpf chroot clock_adjtime clock_settime create_module delete_module fanotify_init fanotify_mark
finit_module fsconfig fsmount fsopen fspick get_mempolicy init_module io_cancel io_destroy io_getevents io_setup
io_submit
io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie
mbind migrate_pages mount mount_setattr
move_mount move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root
process_madvise process_mrelease process_vm_readv process_vm_writev ptrace quotactl quotactl_fd reboot request_key
set_mempolicy setdomainname sethostname setns settimeofday statmount listmount swapoff swapon sysfs syslog umount
umount2
unshare uselib userfaultfd ustat vhangup
""".split()
"""Answered with EPERM, so that programs see a refusal; what is in neither list does not exist (ENOSYS)."""

_NAMESPACE_FLAGS = 0x7E02_0080
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
_FAMILIES_KNOWN = 46
_NETLINK, _NETLINK_ROUTE = 16, 0
_HARMLESS_PERSONALITIES = (0x0, 0x0008, 0x2_0000, 0x2_0008, 0xFFFF_FFFF)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_S_IFMT, _S_IFIFO = 0o170000, 0o010000


def program() -> bytes:
    """The filter as classic BPF (8 bytes an instruction). Raises SandboxUnavailable where libseccomp is missing."""
    try:
        return _compiled()
    except (ImportError, RuntimeError, OSError) as trouble:
        raise SandboxUnavailable(
            "seccomp_unavailable",
            _("The system call filter cannot be built: {trouble}.").format(trouble=trouble),
            _("Install libseccomp: on Debian and Ubuntu 'apt-get install libseccomp2'."),
        ) from trouble


def digest() -> str:
    """``sha256:…`` of the compiled filter, for evidence."""
    return "sha256:" + hashlib.sha256(program()).hexdigest()


def profile() -> dict[str, Any]:
    """The same rules as the ``linux.seccomp`` object of the OCI runtime specification 1.0.2."""
    calls = []
    for rule in rules():
        arguments = [
            {"index": argument.index, "op": "SCMP_CMP_EQ", "value": argument.value}
            if argument.mask is None
            else {
                "index": argument.index,
                "op": "SCMP_CMP_MASKED_EQ",
                "value": argument.mask,
                "valueTwo": argument.value,
            }
            for argument in rule.arguments
        ]
        answer = {"action": "SCMP_ACT_ERRNO", "errnoRet": rule.errno} if rule.errno else {"action": "SCMP_ACT_ALLOW"}
        calls.append({"names": list(rule.calls), **answer, **({"args": arguments} if arguments else {})})
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno.ENOSYS, "syscalls": calls}


@dataclass(frozen=True, slots=True)
class Argument:
    """Argument ``index`` equals ``value``, after ``mask`` when there is one."""

    index: int
    value: int
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is answered to these calls with these arguments: ``errno``, or the call itself where that is 0."""

    errno: int
    calls: tuple[str, ...]
    arguments: tuple[Argument, ...] = ()


def rules() -> Iterator[Rule]:
    """The policy; what no rule matches does not exist (ENOSYS), and other calling conventions end the process."""
    yield Rule(0, tuple(ALLOWED))
    yield Rule(errno.EPERM, tuple(REFUSED))
    # clone3 stays unknown (ENOSYS): its flags are behind a pointer, where no filter can see them; libraries fall back.
    yield Rule(0, ("clone",), (Argument(0, 0, mask=_NAMESPACE_FLAGS),))
    for family in range(_FAMILIES_KNOWN):
        if family in _FAMILIES:
            yield Rule(0, ("socket",), (Argument(0, family),))
        elif family != _NETLINK:
            yield Rule(errno.EAFNOSUPPORT, ("socket",), (Argument(0, family),))
    yield Rule(0, ("socket",), (Argument(0, _NETLINK), Argument(2, _NETLINK_ROUTE)))
    for persona in _HARMLESS_PERSONALITIES:
        yield Rule(0, ("personality",), (Argument(0, persona),))
    yield from _terminal_calls_but_typing()
    for position, call in ((1, "mknod"), (2, "mknodat")):
        yield Rule(0, (call,), (Argument(position, _S_IFIFO, mask=_S_IFMT),))  # no devices


@cache
def _compiled() -> bytes:
    import pyseccomp as libseccomp

    made = libseccomp.SyscallFilter(libseccomp.ERRNO(errno.ENOSYS))
    made.set_attr(libseccomp.Attr.ACT_BADARCH, libseccomp.KILL_PROCESS)
    for rule in rules():
        action = libseccomp.ERRNO(rule.errno) if rule.errno else libseccomp.ALLOW
        arguments = [
            libseccomp.Arg(argument.index, libseccomp.EQ, argument.value)
            if argument.mask is None
            else libseccomp.Arg(argument.index, libseccomp.MASKED_EQ, argument.mask, argument.value)
            for argument in rule.arguments
        ]
        for name in rule.calls:
            _add(made, action, name, *arguments)
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()


def _add(rules: object, action: int, name: str, *arguments: object) -> None:
    """Add a rule; a call this processor or libseccomp does not know needs none, for it is refused anyway."""
    import pyseccomp as libseccomp

    try:
        number = libseccomp.resolve_syscall(libseccomp.system_arch(), name)
    except (ValueError, OSError):
        return
    if number >= 0:
        rules.add_rule(action, name, *arguments)  # type: ignore[attr-defined]  # pyseccomp has no types


def _terminal_calls_but_typing() -> Iterator[Rule]:
    """``ioctl`` for all but TIOCSTI and TIOCLINUX, which put keystrokes into a shared terminal.

    The kernel reads only the lower 32 bits of the request, so a plain "not equal" over 64 bits could be walked around
    (CVE-2019-10063). Instead a request is allowed when one of its bits 4 to 31 differs from the refused ones, or when
    those agree and the last four bits are harmless.
    """

    for bit in range(4, 32):
        yield Rule(0, ("ioctl",), (Argument(1, ~_TIOCSTI & 1 << bit, mask=1 << bit),))
    for request in range(_TIOCSTI & ~0xF, (_TIOCSTI & ~0xF) + 16):
        if request not in (_TIOCSTI, _TIOCLINUX):
            yield Rule(0, ("ioctl",), (Argument(1, request, mask=0xFFFF_FFFF),))

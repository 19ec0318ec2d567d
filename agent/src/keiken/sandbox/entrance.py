"""What a child of the launcher does to get into the sandbox: join, give everything up, then execute.

Runs between fork and exec in a process that starts with the launcher's rights, so it must not import, allocate
cleverly or
return. Every step either holds or ends the child.
"""

from __future__ import annotations

import errno
import os
import resource
import signal

from keiken.sandbox import landlock, linux
from keiken.sandbox.slots import Slot

TYPE_CHECKING = False  # importing typing costs a third of this process's start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

JOB_FOLDER = "/job"
_JOINED = (
    ("mnt", linux.CLONE_NEWNS),
    ("net", linux.CLONE_NEWNET),
    ("ipc", linux.CLONE_NEWIPC),
    ("uts", linux.CLONE_NEWUTS),
    ("cgroup", linux.CLONE_NEWCGROUP),
)

_NEVER_SET = (signal.SIGKILL, signal.SIGSTOP, 32, 33)
"""The kernel's own two, and the two that the C library keeps for itself."""


class Namespaces:
    """Descriptors of a sandbox's namespaces, taken from its first process once it is set up."""

    def __init__(self, pid: int) -> None:
        self.fds = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name, _kind in _JOINED}
        self.fds["pid"] = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        # Bubblewrap ends in a second user namespace below the one that owns all others: the inner cannot make any more.
        self.fds["user"] = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        self.owner = linux.owning_user_namespace(self.fds["mnt"])
        self.in_owner = False

    def replace_user(self, fd: int) -> None:
        """Let commands end in this user namespace instead."""
        os.close(self.fds["user"])
        self.fds["user"] = fd

    def enter_owner(self) -> None:
        """Enter the user namespace that owns the others; it gives all rights over them and none outside."""
        linux.setns(self.owner, linux.CLONE_NEWUSER)
        self.in_owner = True

    def join(self) -> None:
        """Enter all but the pid namespace (a child is born in that), as the job's user, ending without any way back."""
        if not self.in_owner:
            self.enter_owner()
        for name, kind in _JOINED:
            linux.setns(self.fds[name], kind)
        linux.setns(self.fds["user"], linux.CLONE_NEWUSER)


def become(slot: Slot) -> None:
    """Give up root for the job's user id, hidden from others of that id (no dump, so no look at our memory or
    files).
    """
    if slot.is_other_user:
        uid, gid = slot.uid, slot.gid
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def set_limits(limits: Mapping[str, int]) -> None:
    """Per-process limits; the number of processes counts within the sandbox's own user namespace."""
    for name, value in limits.items():
        kind = getattr(resource, name)
        _soft, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def execute(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    streams: Sequence[int],
    limits: Mapping[str, int],
    seccomp: bytes,
    ruleset: int,
    report: Callable[[int], None],
) -> NoReturn:
    """Inside already: drop every right, put on the rules, execute. ``report`` gets the errno when that fails."""
    for target, fd in enumerate(streams):
        os.dup2(fd, target, inheritable=True)
    linux.close_on_execute(3)
    os.chdir(JOB_FOLDER)
    os.umask(0o022)
    os.setsid()
    reset_signals()
    set_limits(limits)
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if ruleset >= 0:
        landlock.restrict(ruleset)
    linux.load_seccomp(seccomp)
    report(replace_process(argv, env))
    os._exit(127)


def reset_signals() -> None:
    """Ignored signals live on through an execution: who started us with ``nohup`` must not be heard of in here."""
    for number in range(1, signal.NSIG):
        if number not in _NEVER_SET:
            signal.signal(number, signal.SIG_DFL)


def replace_process(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Execute, found along PATH; the errno where that fails. (``os.execvpe`` imports a module, here of all places.)"""
    name, worst = argv[0], errno.ENOENT
    folders = [""] if "/" in name else [f"{folder}/" for folder in env.get("PATH", "").split(":")]
    for folder in folders if name else []:
        try:
            os.execve(folder + name, list(argv), dict(env))
        except OSError as trouble:
            if trouble.errno not in (errno.ENOENT, errno.ENOTDIR):
                worst = trouble.errno or errno.EIO
    return worst

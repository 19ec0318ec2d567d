"""The few Linux calls Python 3.11 does not offer, by ctypes. Imported by the small processes around a sandbox: keep
it light.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 1, 2, 4, 32, 4096, 16384, 1 << 19

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x01, 0x02, 0x04, 0x08
BENEATH_WITHOUT_LINKS = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH

O_PATH: int = os.O_PATH

_SYS_OPENAT2 = 437
_SYS_CLOSE_RANGE, _CLOSE_RANGE_CLOEXEC = 436, 4
_NS_GET_USERNS = 0xB701
_CAPABILITY_VERSION_3 = 0x2008_0522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def checked(result: int, call: str) -> int:
    """The result; raises OSError naming the call when it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(call: str, number: int, *arguments: object) -> int:
    """A raw system call. Raises OSError."""
    return checked(int(_libc.syscall(ctypes.c_long(number), *arguments)), call)


def setns(fd: int, kind: int) -> None:
    """Join the namespace behind the descriptor; a pid namespace takes effect for later children."""
    checked(_libc.setns(fd, kind), "setns")


def unshare(flags: int) -> None:
    checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    checked(
        _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode() or None),
        f"mount {kind or 'bind'} {target}",
    )


def prctl(option: int, value: int = 0) -> None:
    checked(
        _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)), "prctl"
    )


def name_process(name: bytes) -> None:
    """What ``ps`` and ``/proc/PID/comm`` call this process; at most 15 bytes."""
    checked(_libc.prctl(PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0), "prctl")


def close_on_execute(first: int) -> None:
    """Let no descriptor from ``first`` on survive an execution, whoever left it inheritable."""
    numbers = (ctypes.c_uint(first), ctypes.c_uint(0xFFFF_FFFF), ctypes.c_uint(_CLOSE_RANGE_CLOEXEC))
    try:
        syscall("close_range", _SYS_CLOSE_RANGE, *numbers)
    except OSError:  # before Linux 5.11
        for name in os.listdir("/proc/self/fd"):
            if int(name) >= first:
                try:
                    os.set_inheritable(int(name), False)
                except OSError:
                    continue  # the listing's own


def owning_user_namespace(fd: int) -> int:
    """A new descriptor of the user namespace that owns the namespace behind ``fd``."""
    return checked(_libc.ioctl(fd, ctypes.c_ulong(_NS_GET_USERNS)), "ioctl NS_GET_USERNS")


def drop_capabilities() -> None:
    """Empty the bounding, permitted, effective and inheritable sets; ambient ones go with them."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # the first number the kernel does not know
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    checked(_libc.capset(ctypes.byref(header), none), "capset")


def load_seccomp(program: bytes) -> None:
    """Put a classic BPF filter on this thread; ``no_new_privs`` must be set."""
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_program = _FilterProgram(len(program) // 8, ctypes.cast(buffer, ctypes.c_char_p))
    checked(
        _libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filter_program), 0, 0),
        "prctl PR_SET_SECCOMP",
    )


def open_beneath(
    folder: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = BENEATH_WITHOUT_LINKS
) -> int:
    """Open a path below a folder; no link, no ``..`` and no mount is ever crossed (openat2, Linux 5.6)."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    return syscall("openat2", _SYS_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))

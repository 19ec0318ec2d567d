"""Landlock: rules a process puts on itself and all it starts, by the three system calls. Imported by small
processes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from keiken.sandbox.linux import O_PATH, syscall

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_CHAR = 1 << 6
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_BLOCK = 1 << 11
MAKE_SYM = 1 << 12
REFER = 1 << 13
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15
NET_BIND_TCP = 1 << 0
NET_CONNECT_TCP = 1 << 1
SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0
SCOPE_SIGNAL = 1 << 1

WRITING = (
    WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_CHAR
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_BLOCK
    | MAKE_SYM
)
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


class _RulesetAttributes(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("fd", ctypes.c_int32)]


class _NetPort(ctypes.Structure):
    _fields_ = [("access", ctypes.c_uint64), ("port", ctypes.c_uint64)]


def abi() -> int:
    """The version of Landlock this kernel speaks; 0 where there is none."""
    try:
        return syscall("landlock_create_ruleset", _CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    except OSError:
        return 0


def known_file_rights(version: int) -> int:
    """All file rights of an ABI version, as a mask."""
    rights = (1 << 13) - 1
    if version >= 2:
        rights |= REFER
    if version >= 3:
        rights |= TRUNCATE
    if version >= 5:
        rights |= IOCTL_DEV
    return rights


class Ruleset:
    """What is handled is refused unless a rule allows it. ``fd`` may be passed on to the process that restricts
    itself.
    """

    def __init__(self, *, files: int, ports: int = 0, scopes: int = 0) -> None:
        self.files = files
        attributes = _RulesetAttributes(files, ports, scopes)
        # Older kernels know a shorter structure; the unused tail must then not be sent.
        size = 24 if scopes else 16 if ports else 8
        self.fd = syscall(
            "landlock_create_ruleset", _CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
        )
        os.set_inheritable(self.fd, False)

    def allow(self, path: str, rights: int) -> bool:
        """Allow rights on a file or below a folder; links are followed. False when the path is not there."""
        try:
            fd = os.open(path, O_PATH | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            self.allow_descriptor(fd, rights)
        finally:
            os.close(fd)
        return True

    def allow_descriptor(self, fd: int, rights: int) -> None:
        folder = (os.fstat(fd).st_mode & 0o170000) == 0o040000
        rule = _PathBeneath(self.files & (rights if folder else rights & _ON_FILES), fd)
        if rule.access:
            syscall("landlock_add_rule", _ADD, self.fd, _RULE_PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))

    def allow_port(self, port: int, rights: int) -> None:
        rule = _NetPort(rights, port)
        syscall("landlock_add_rule", _ADD, self.fd, _RULE_NET_PORT, ctypes.byref(rule), ctypes.c_uint32(0))

    def allow_all(self, paths: Iterable[str], rights: int) -> None:
        for path in paths:
            self.allow(path, rights)


def restrict(ruleset_fd: int) -> None:
    """Put the rules on this thread for good; ``no_new_privs`` must be set."""
    syscall("landlock_restrict_self", _RESTRICT, ruleset_fd, ctypes.c_uint32(0))

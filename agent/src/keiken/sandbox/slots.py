"""Numbered slots, one per live sandbox of a machine: a lock file, a user id of its own, the name of its control group.

The lock is held by the launcher and so ends with it, however it ends. Whoever gets the lock of a slot may clear away
what an
earlier holder left behind. Light imports: used by the launcher.
"""

from __future__ import annotations

import fcntl
import os

from keiken.sandbox import cgroup

MOST_SLOTS = 512
_UID_BASES = (1_879_050_000, 59_000)
"""The first of these that this user namespace maps: beyond what people, systemd and container tools hand out."""


class Slot:
    """A held slot. ``uid`` is the job's user id on the machine."""

    def __init__(self, number: int, uid: int, gid: int, lock: int) -> None:
        self.number, self.uid, self.gid, self.lock = number, uid, gid, lock
        self.is_other_user = uid != os.geteuid()

    @property
    def name(self) -> str:
        return f"slot-{self.number}"


def take(folder: str) -> Slot:
    """Take the lowest free slot. Raises OSError when all are taken or the folder cannot be used."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for number in range(1, MOST_SLOTS + 1):
        lock = _lock(folder, number)
        if lock is not None:
            uid, gid = _identity(number)
            return Slot(number, uid, gid, lock)
    raise OSError(f"all {MOST_SLOTS} sandbox slots of this machine are in use")


def reap(folder: str) -> int:
    """Remove the control groups of slots nobody holds. The number removed."""
    removed = 0
    for name, path in list(cgroup.leftovers()):
        number = name.removeprefix("slot-")
        if not number.isdigit():
            continue
        lock = _lock(folder, int(number))
        if lock is None:
            continue
        try:
            removed += cgroup.remove_folder(path)
        finally:
            os.close(lock)
    return removed


def _lock(folder: str, number: int) -> int | None:
    fd = os.open(f"{folder}/{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _identity(number: int) -> tuple[int, int]:
    """A user id of its own for root; anybody else can only be themselves."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for base in _UID_BASES:
        if _is_mapped(base + MOST_SLOTS):
            return base + number, base + number
    raise OSError("this user namespace has no spare user ids for sandboxes")


def _is_mapped(uid: int) -> bool:
    with open("/proc/self/uid_map") as file:
        ranges = [[int(word) for word in line.split()] for line in file]
    return any(start <= uid < start + count for start, _outside, count in ranges)

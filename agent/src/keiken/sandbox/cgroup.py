"""One control group per sandbox, on cgroup v2, v1 or the mixed layout: memory, number of processes and CPU time.

Made by the launcher; light imports. A group is only ever made below the caller's own one, so a service's own limits
hold on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

PREFIX = "keiken-"
_V1 = ("memory", "pids", "cpu")
_V1_PEAK = "/memory.max_usage_in_bytes"
_CPU_PERIOD_MICROSECONDS = 100_000


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _put(path: str, value: object) -> bool:
    try:
        with open(path, "w") as file:
            file.write(str(value))
    except OSError:
        return False
    return True


def _number(path: str) -> int:
    text = _text(path)
    return int(text) if text.strip().isdigit() else 0


def _own_groups() -> dict[str, str]:
    """Controller to the path of our own group; ``""`` is the v2 hierarchy."""
    groups = {}
    for line in _text("/proc/self/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _mounts() -> dict[str, tuple[str, str]]:
    """Controller to (mount point, root of the mount inside the hierarchy); ``""`` is the v2 hierarchy."""
    mounts = {}
    for line in _text("/proc/self/mountinfo").splitlines():
        left, _dash, right = line.partition(" - ")
        kind, _source, options = right.split(" ", 2)
        root, point = left.split(" ")[3:5]
        if kind == "cgroup2":
            mounts[""] = (point, root)
        elif kind == "cgroup":
            for option in options.split(","):
                mounts[option] = (point, root)
    return mounts


def _folder(controller: str) -> str | None:
    """Where our own group of a controller is in the file system."""
    mounts, groups = _mounts(), _own_groups()
    if controller not in mounts or controller not in groups:
        return None
    point, root = mounts[controller]
    path = groups[controller]
    inside = path[len(root) :] if root != "/" and path.startswith(root) else path
    folder = os.path.normpath(point + "/" + inside)
    return folder if os.path.isdir(folder) else None


def v1_parents() -> dict[str, str]:
    """Our own groups of the v1 controllers we need, where all of them can be written; else nothing."""
    found = {controller: _folder(controller) for controller in _V1}
    parents = {controller: folder for controller, folder in found.items() if folder and os.access(folder, os.W_OK)}
    return parents if len(parents) == len(_V1) else {}


def v2_parent(own: str, top: str) -> str | None:
    """The nearest group upwards from our own that may have children with memory and pids limits.

    A group with processes in it cannot hand controllers down (except the topmost one), so the search goes upwards, as
    far
    as groups are writable: on a desktop to the user's delegated service, for root to the top.
    """
    folder = own
    while True:
        if os.access(folder, os.W_OK) and _hands_down(folder):
            return folder
        if folder == top or len(folder) <= len(top):
            return None
        folder = os.path.dirname(folder)


def _hands_down(folder: str) -> bool:
    needed = {"memory", "pids"}
    if needed <= set(_text(folder + "/cgroup.subtree_control").split()):
        return True
    if not needed <= set(_text(folder + "/cgroup.controllers").split()):
        return False
    _put(folder + "/cgroup.subtree_control", "+memory +pids")
    return needed <= set(_text(folder + "/cgroup.subtree_control").split())


class Group:
    """The folders of one sandbox's group. ``enforced`` is False where none could be made."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders = folders
        self._doors: list[int] = []
        self._peak_door = -1
        self._earlier_peak = 0

    @property
    def enforced(self) -> bool:
        return bool(self.folders)

    def open_doors(self) -> None:
        for folder in sorted(set(self.folders.values())):
            # A process of one thread that moves itself by "tasks" takes no lock of the whole kernel; "cgroup.procs"
            # does, and waits some 5 ms for all processors. Version 2 has no such file.
            door = folder + "/tasks"
            name = door if os.path.exists(door) else folder + "/cgroup.procs"
            self._doors.append(os.open(name, os.O_WRONLY | os.O_CLOEXEC))

    def enter(self) -> None:
        """Put the calling process, which must have one thread only, into the group."""
        for door in self._doors:
            os.write(door, b"0")

    def limit(self, *, memory_mib: int, pids: int, cpus: float) -> bool:
        """Change the limits; False where the kernel does not take them."""
        return not self.folders or _limit(self, memory_mib=memory_mib, pids=pids, cpus=cpus)

    def forget_peak(self) -> None:
        """Count the peak of memory from now on, where the kernel can (v1; v2 from Linux 6.12)."""
        folder = self.folders.get("memory", "")
        if not _put(folder + "/memory.max_usage_in_bytes", 0):
            _put(folder + "/memory.peak", 0)

    def oom_kills(self) -> int:
        """How often the kernel has killed something in here for want of memory."""
        folder = self.folders.get("memory", "")
        events = _text(folder + "/memory.events") or _text(folder + "/memory.oom_control")
        for line in events.splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def peak_memory_bytes(self) -> int:
        """Since the group was made, or since ``forget_peak``."""
        folder = self.folders.get("memory", "")
        return max(self._earlier_peak, _number(folder + "/memory.peak") or _number(folder + _V1_PEAK))

    def start_peak(self) -> None:
        """Begin to watch the peak of one command; ``peak_since_start`` then tells it. One at a time.

        Version 1 has one counter, which is set back here; version 2 keeps one for each open file (from Linux 6.12).
        """
        folder = self.folders.get("memory", "")
        if not folder:
            return
        earlier = _number(folder + _V1_PEAK)
        if _put(folder + _V1_PEAK, 0):
            self._earlier_peak = max(self._earlier_peak, earlier)
            return
        try:
            if self._peak_door < 0:
                self._peak_door = os.open(folder + "/memory.peak", os.O_RDWR | os.O_CLOEXEC)
            os.write(self._peak_door, b"0")
        except OSError:
            self._close_peak_door()

    def peak_since_start(self) -> int | None:
        """In bytes; None where the kernel cannot tell it for one command alone."""
        folder = self.folders.get("memory", "")
        if self._peak_door >= 0:
            return int(os.pread(self._peak_door, 32, 0))
        return _number(folder + _V1_PEAK) or None

    def _close_peak_door(self) -> None:
        if self._peak_door >= 0:
            os.close(self._peak_door)
        self._peak_door = -1

    def remove(self) -> bool:
        """Kill what is left and remove the folders. False when something would not die within two seconds."""
        for door in self._doors:
            os.close(door)
        self._doors = []
        self._close_peak_door()
        return all([remove_folder(folder) for folder in sorted(set(self.folders.values()))])


def create(name: str, *, memory_mib: int, pids: int, cpus: float) -> Group:
    """Make the group with its limits, v1 or v2, whichever has the controllers; an unlimited Group where none can be
    made.
    """
    parents = v1_parents()
    if not parents:
        own, mounts = _folder(""), _mounts()
        parent = v2_parent(own, mounts[""][0]) if own else None
        parents = {"memory": parent, "pids": parent, "cpu": parent} if parent else {}
    folders: dict[str, str] = {}
    for controller, parent in parents.items():
        folder = f"{parent}/{PREFIX}{name}"
        try:
            os.mkdir(folder)
        except FileExistsError:
            if folder not in folders.values() and not remove_folder(folder, keep=True):
                return _undo(folders)
        except OSError:
            return _undo(folders)
        folders[controller] = folder
    group = Group(folders)
    if folders and not _limit(group, memory_mib=memory_mib, pids=pids, cpus=cpus):
        return _undo(folders)
    group.open_doors()
    return group


def _undo(folders: dict[str, str]) -> Group:
    for folder in set(folders.values()):
        remove_folder(folder)
    return Group({})


def _limit(group: Group, *, memory_mib: int, pids: int, cpus: float) -> bool:
    memory_bytes = memory_mib << 20
    quota = max(1000, int(cpus * _CPU_PERIOD_MICROSECONDS))
    memory, tasks, cpu = (group.folders[name] for name in _V1)
    if not _put(tasks + "/pids.max", pids):
        return False
    if os.path.exists(memory + "/memory.max"):
        _put(memory + "/memory.swap.max", 0)
        _put(memory + "/memory.oom.group", 0)
        _put(cpu + "/cpu.max", f"{quota} {_CPU_PERIOD_MICROSECONDS}")  # cpu is not always delegated: the least harm
        return _put(memory + "/memory.max", memory_bytes)
    _put(cpu + "/cpu.cfs_period_us", _CPU_PERIOD_MICROSECONDS)
    limited = _put(memory + "/memory.limit_in_bytes", memory_bytes) and _put(cpu + "/cpu.cfs_quota_us", quota)
    if not _put(memory + "/memory.memsw.limit_in_bytes", memory_bytes):
        _put(memory + "/memory.swappiness", 0)  # a kernel without swap accounting
    return limited


def members(folder: str) -> list[int]:
    return [int(pid) for pid in _text(folder + "/cgroup.procs").split()]


def remove_folder(folder: str, *, keep: bool = False) -> bool:
    """Kill all members, then remove the folder (or keep it, empty). False when that fails for two seconds."""
    deadline = time.monotonic() + 2
    while True:
        if not _put(folder + "/cgroup.kill", 1):
            for pid in members(folder):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        try:
            if not members(folder):
                if not keep:
                    os.rmdir(folder)
                return True
        except FileNotFoundError:
            return True
        except OSError:
            pass  # a member is just ending: EBUSY for a moment
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)


def leftovers() -> Iterable[tuple[str, str]]:
    """(name, folder) of each sandbox group below our own groups, for those who reap what a crash left behind."""
    parents = set(v1_parents().values())
    own = _folder("")
    if own and not parents:
        parent = v2_parent(own, _mounts()[""][0])
        parents = {parent} if parent else set()
    for parent in sorted(parents):
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(parent)):
                if entry.startswith(PREFIX):
                    yield entry[len(PREFIX) :], f"{parent}/{entry}"

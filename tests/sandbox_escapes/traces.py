"""What an attack could leave behind on the machine, looked for from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from keiken.checks import Evaluator
from keiken.replay.state import LaterState
from keiken.sandbox import cgroup

_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/keiken", "/run/keiken/mount", "/")


def processes_marked(marker: str) -> list[int]:
    """Processes of this machine, but ourselves, with the word in their command line or their environment."""
    word, found = marker.encode(), []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        for name in ("cmdline", "environ"):
            try:
                if word in Path(f"/proc/{entry.name}/{name}").read_bytes():
                    found.append(int(entry.name))
                    break
            except OSError:
                continue  # it has just ended
    return found


def descendants() -> set[int]:
    """All processes below this one."""
    waiting, found = [os.getpid()], set()
    while waiting:
        pid = waiting.pop()
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                text = (task / "children").read_text(encoding="ascii")
                children = {int(word) for word in text.split()} - found
                found |= children
                waiting.extend(children)
        except OSError:
            continue
    return found


def mounts() -> set[str]:
    """The machine's mounts as we see them, those of sandboxes' names only."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if "keiken" in line}


def empty_groups() -> set[str]:
    """Control groups of sandboxes that nobody is in: those of live sandboxes beside this test have members."""
    return {folder for _name, folder in cgroup.leftovers() if not cgroup.members(folder)}


def files_marked(marker: str) -> list[str]:
    """Entries with the word in their name where programs leave such things."""
    return [f"{place}/{name}" for place in _PLACES for name in _names(place) if marker in name]


def _names(place: str) -> Iterable[str]:
    try:
        return [entry.name for entry in Path(place).iterdir()]
    except OSError:
        return []


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, size and content of every file below: two of these are equal when nothing was changed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_size, content)
    return found


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Before:
    """The machine before an attack; ``left`` tells what of it is still there a while after."""

    def __init__(self, marker: str) -> None:
        self.marker = marker
        with Evaluator(LaterState()) as evaluator:  # the parent of evaluating children stays with this process
            evaluator.evaluate("true", {})
        self.descendants, self.mounts, self.groups = descendants(), mounts(), empty_groups()

    def left(self, seconds: float = 60) -> list[str]:
        """Empty once nothing is left, else what is still there after the time a kernel may need for ends.

        One clean look is enough: an empty control group may for a moment also be that of a sandbox beside this test.
        """
        found: list[str] = []

        def is_clean() -> bool:
            found[:] = self._found()
            return not found

        until(is_clean, seconds)
        return found

    def _found(self) -> list[str]:
        return [
            *(f"process {pid}" for pid in processes_marked(self.marker)),
            *(f"child {pid}" for pid in descendants() - self.descendants),
            *(f"mount {line}" for line in mounts() - self.mounts),
            *(f"control group {folder}" for folder in empty_groups() - self.groups),
            *(f"file {path}" for path in files_marked(self.marker)),
        ]

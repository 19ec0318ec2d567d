"""The options bubblewrap is started with, and the per-process limits; both follow from the plan of one sandbox."""

from __future__ import annotations

from keiken.sandbox.mounts import SCRATCH

TYPE_CHECKING = False  # importing typing costs a third of a launcher's start
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

INNER_ID = "1000"
HIDDEN = (
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
)
"""What the kernel tells of the machine that no procedure needs; shown as an empty device."""


def arguments(plan: Mapping[str, Any], *, info: int, seccomp: int) -> list[str]:
    """Everything but the command; handed over in a memory file so that no path of the machine shows in
    /proc/1/cmdline.
    """
    point = plan["point"]
    words = ["--ro-bind", f"{point}/root", "/"]
    for folder in plan["host_folders"]:
        words += ["--ro-bind", folder, folder]
    words += ["--proc", "/proc"]
    for path in plan["hidden"]:
        words += ["--ro-bind", "/dev/null", path]
    words += ["--dev", "/dev"]
    for name, path in SCRATCH.items():
        words += ["--bind", f"{point}/scratch/{name}", path]
    words += ["--remount-ro", "/dev", "--ro-bind", f"{point}/job", "/job", "--bind", f"{point}/work", "/job/work"]
    words += [f"--unshare-{kind}" for kind in ("user", "ipc", "pid", "net", "uts", "cgroup")]
    words += ["--disable-userns", "--assert-userns-disabled", "--uid", INNER_ID, "--gid", INNER_ID]
    words += ["--hostname", "sandbox", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]
    words += ["--chdir", "/job", "--clearenv", "--info-fd", str(info), "--seccomp", str(seccomp)]
    return words


def limits_of(limits: Mapping[str, Any]) -> dict[str, int]:
    """Resource limits of each process inside, by their names in the module ``resource``."""
    return {
        "RLIMIT_CORE": 1,  # one byte: no dump, and unlike zero it also keeps the machine's crash handler from starting
        "RLIMIT_NOFILE": int(limits["open_files"]),
        "RLIMIT_FSIZE": int(limits["file_mib"]) << 20,
        "RLIMIT_NPROC": int(limits["pids"]) + 3,
        "RLIMIT_MEMLOCK": 1 << 20,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_RTPRIO": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_SIGPENDING": 1024,
        "RLIMIT_STACK": 8 << 20,
    }

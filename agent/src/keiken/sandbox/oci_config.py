"""The bundle of one sandbox for an OCI runtime: ``config.json`` by the runtime specification 1.0.2, from the plan."""

from __future__ import annotations

from keiken.sandbox.bwrap_arguments import HIDDEN, limits_of
from keiken.sandbox.mounts import SCRATCH

TYPE_CHECKING = False  # importing typing costs a third of a launcher's start
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SLEEPER = ("/usr/bin/perl", "-e", '$SIG{CHLD} = "IGNORE"; exec "/bin/cat"')
"""Answers, and ends at the end of its input. Ignoring the end of children lets the kernel clear away orphans: a first
process that does not would let them pile up until the limit of processes is reached.
"""
_NAMESPACES = ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")
_SAFE = ("nosuid", "nodev")
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


def config(plan: Mapping[str, Any], *, uid: int, gid: int) -> dict[str, Any]:
    """``uid`` and ``gid`` are the job's outside. Paths of the machine are in here and nowhere inside."""
    return {
        "ociVersion": "1.0.2",
        "hostname": "sandbox",
        "root": {"path": f"{plan['point']}/root", "readonly": True},
        "process": {
            "args": list(SLEEPER),
            "cwd": "/",
            "env": [],
            "user": {"uid": 0, "gid": 0},
            "terminal": False,
            "noNewPrivileges": True,
            "capabilities": {name: [] for name in _CAPABILITY_SETS},
            "rlimits": [
                {"type": name, "soft": value, "hard": value}
                for name, value in limits_of(plan["limits"]).items()
                if name in ("RLIMIT_CORE", "RLIMIT_NOFILE")
            ],
        },
        "mounts": _mounts(plan),
        "linux": {
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
            "maskedPaths": list(HIDDEN),
            "readonlyPaths": list(_READ_ONLY),
            "rootfsPropagation": "private",
            "seccomp": plan["seccomp_profile"],
        },
    }


def _mounts(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    point = plan["point"]
    made = [_bind(folder, folder, "ro") for folder in plan["host_folders"]]
    made += [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "noexec", "mode=755", "size=64k", "nr_inodes=64", "ro"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        },
    ]
    made += [_bind(f"{point}/scratch/{name}", path, "rw") for name, path in SCRATCH.items()]
    return [*made, _bind(f"{point}/job", "/job", "ro"), _bind(f"{point}/work", "/job/work", "rw")]


def _bind(source: str, target: str, access: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": source, "options": ["bind", access, *_SAFE, "rprivate"]}

"""What a launcher mounts in its own mount namespace before bubblewrap starts: sized memory file systems with inode
limits.

All of it hangs below one folder and dies with the namespace, so nothing can be left behind on the machine.
"""

from __future__ import annotations

import os
import stat

from keiken.sandbox import linux

PACKAGE_MIB = 128
PACKAGE_FILES = 10_000
SCRATCH_INODES = 20_000
_SAFE = linux.MS_NOSUID | linux.MS_NODEV
SCRATCH = {"tmp": "/tmp", "var-tmp": "/var/tmp", "run": "/run", "home": "/home/job", "shm": "/dev/shm"}


def private_namespace(uid: int, gid: int) -> None:
    """A mount namespace of our own; without root inside a user namespace of our own that maps only ourselves."""
    if os.geteuid() == 0:
        linux.unshare(linux.CLONE_NEWNS)
    else:
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_SLAVE)


def prepare(point: str, *, root: str, package: str, uid: int, gid: int, work_mib: int, work_inodes: int) -> None:
    """Mount ``root``, ``job`` (the package, read-only), ``work`` and ``scratch`` below ``point``."""
    _memory(point, "0755", size_mib=1, inodes=64)
    for name in ("root", "job", "work", "scratch"):
        os.mkdir(f"{point}/{name}")
    _show_root(root, point)
    _memory(f"{point}/job", "0755", size_mib=PACKAGE_MIB, inodes=PACKAGE_FILES + 64)
    copy_package(package, f"{point}/job")
    os.makedirs(f"{point}/job/work", exist_ok=True)
    linux.mount("", f"{point}/job", "", linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | _SAFE)
    _memory(f"{point}/work", "0755", size_mib=work_mib, inodes=work_inodes)
    os.chown(f"{point}/work", uid, gid)
    _memory(f"{point}/scratch", "0755", size_mib=max(work_mib, 64), inodes=SCRATCH_INODES)
    for name in SCRATCH:
        os.mkdir(f"{point}/scratch/{name}")
        os.chown(f"{point}/scratch/{name}", uid, gid)
        os.chmod(f"{point}/scratch/{name}", 0o1777 if name in ("tmp", "var-tmp", "shm") else 0o755)


def _show_root(root: str, point: str) -> None:
    """The root without its place on this machine: of a bind mount, ``/proc/self/mountinfo`` would tell the whole path.

    An overlay tells what it was mounted with, here two names relative to the mount point. Where the kernel has no
    overlay file system, the path is told; it is no secret, only none of the job's business.
    """
    os.mkdir(f"{point}/base")
    os.mkdir(f"{point}/nothing")
    linux.mount(root, f"{point}/base", "", linux.MS_BIND)
    before = os.getcwd()
    os.chdir(point)
    try:
        linux.mount("keiken", f"{point}/root", "overlay", _SAFE | linux.MS_RDONLY, "lowerdir=base:nothing")
    except OSError:
        linux.mount(root, f"{point}/root", "", linux.MS_BIND)
    finally:
        os.chdir(before)


def _memory(target: str, mode: str, *, size_mib: int, inodes: int) -> None:
    linux.mount("keiken", target, "tmpfs", _SAFE, f"size={size_mib}m,nr_inodes={inodes},mode={mode}")


def copy_package(source: str, target: str) -> None:
    """Copy regular files and folders only, readable for the job. A copy, so nobody can change it under a running
    replay.
    """
    copied = 0
    for folder, folders, files in os.walk(source, followlinks=False):
        inside = os.path.relpath(folder, source)
        if inside == ".":
            folders[:] = [name for name in folders if name not in ("work", ".git")]
        for name in folders:
            os.makedirs(os.path.normpath(f"{target}/{inside}/{name}"), exist_ok=True)
        for name in files:
            copied += 1
            if copied > PACKAGE_FILES:
                raise OSError(f"the package has more than {PACKAGE_FILES} files")
            _copy_file(f"{folder}/{name}", os.path.normpath(f"{target}/{inside}/{name}"))


def _copy_file(source: str, target: str) -> None:
    try:
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as trouble:
        if os.path.islink(source) or not os.path.isfile(source):
            return
        raise OSError(trouble.errno, f"cannot read the package's file {source}") from trouble
    with open(fd, "rb") as reader:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            return
        with open(target, "xb") as writer:
            while piece := reader.read(1 << 20):
                writer.write(piece)
        os.chmod(target, 0o755 if mode & 0o100 else 0o644)

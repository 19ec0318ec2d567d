"""The environment ``local``: this machine's own ``/usr``, read-only, with a minimal ``/etc``. For machines that
cannot build others.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from keiken.sandbox.debian import write_identity

NAME = "local"
_FOLDERS = ("etc", "usr", "job", "home/job", "proc", "dev", "tmp", "run", "var/tmp", "var/lib", "var/log", "root")
_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_COPIED = (
    "alternatives", "debian_version", "gai.conf", "java-11-openjdk", "java-17-openjdk", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "perl", "postgresql-common", "protocols",
    "python3", "python3.11", "rpc", "services", "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip
_SECRET_NAMES = (".key", ".p12", ".pfx", "snakeoil")


def build_root(target: Path) -> None:
    """Make the skeleton; the machine's ``/usr`` is mounted over its empty ``usr`` when a sandbox opens."""
    for name in _FOLDERS:
        (target / name).mkdir(parents=True, exist_ok=True)
    for name in _MERGED:
        _merge(Path("/") / name, target / name)
    for name in _COPIED:
        _copy(Path("/etc") / name, target / "etc" / name)
    write_identity(target / "etc")


def _merge(source: Path, target: Path) -> None:
    """``/bin`` and its like: a link into ``/usr`` on a merged system, else a mount point for the folder itself."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir()


def _copy(source: Path, target: Path) -> None:
    """Copy what everybody may read, links as links; a private key or an unreadable file stays where it is."""
    if any(word in source.name for word in _SECRET_NAMES):
        return
    if source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.readlink())
    elif source.is_file() and source.stat().st_mode & 0o004:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for entry in sorted(source.iterdir()):
            _copy(entry, target / entry.name)


def skeleton(cache: Path) -> Path:
    """The skeleton's root, made anew when the machine's ``/etc`` files have changed since."""
    state = _state()
    final = cache / NAME / state
    if not (final / "root").is_dir():
        final.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".building-", dir=final.parent))
        made.chmod(0o755)
        (made / "root").mkdir()
        build_root(made / "root")
        with contextlib.suppress(OSError):  # somebody else was quicker: theirs is as good
            made.rename(final)
        shutil.rmtree(made, ignore_errors=True)
    return final / "root"


def _state() -> str:
    """A name for the state of the files the skeleton is made of."""
    made = hashlib.sha256()
    for name in (*_COPIED, "alternatives", "ssl/certs"):
        with contextlib.suppress(OSError):
            found = os.stat(Path("/etc") / name)
            made.update(f"{name} {found.st_mtime_ns} {found.st_size}\n".encode())
    return made.hexdigest()

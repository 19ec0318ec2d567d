"""The job folder as seen from outside, by descriptors: no link is ever followed, nothing a job made there can block
or mislead us.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator

from keiken.errors import Failed
from keiken.i18n import _
from keiken.sandbox import linux
from keiken.sandbox.patterns import Glob, glob
from keiken.sandbox.protocol import FileState

READ_LIMIT_BYTES = 8 << 20
MOST_PATHS = 5_000
MOST_ENTRIES = 100_000
MOST_DEPTH = 64
_ABSENT = FileState(exists=False)
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class JobFolder:
    """Two folder descriptors: the package (read-only) and ``work``. ``uid`` and ``gid`` own what is written."""

    resolve = linux.BENEATH_WITHOUT_LINKS

    def __init__(self, package_fd: int, work_fd: int, uid: int, gid: int) -> None:
        self._package, self._work, self._uid, self._gid = package_fd, work_fd, uid, gid

    def close(self) -> None:
        for fd in (self._package, self._work):
            if fd >= 0:
                os.close(fd)
        self._package = self._work = -1

    def read(self, path: str) -> FileState:
        """Content, size and mode of what is at the path. Whatever is wrong with the path reads as absent or
        ``other``.
        """
        folder, inside = self._place(path)
        return self.read_at(folder, inside)

    def read_at(self, folder: int, inside: str) -> FileState:
        """``read`` below a folder descriptor; absent below none."""
        if folder < 0:
            return _ABSENT
        try:
            handle = linux.open_beneath(folder, inside, linux.O_PATH | os.O_NOFOLLOW, resolve=self.resolve)
        except (OSError, ValueError):
            return self._unopened(folder, inside)
        try:
            return _state_of(handle)
        finally:
            os.close(handle)

    def _unopened(self, folder: int, inside: str) -> FileState:
        """Absent, unless it is a link: that exists, as something that is not followed."""
        above, _slash, name = inside.rpartition("/")
        with contextlib.suppress(OSError, ValueError):
            parent = linux.open_beneath(folder, above or ".", linux.O_PATH | os.O_DIRECTORY, resolve=self.resolve)
            try:
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(parent)
            return FileState(exists=True, kind="other", mode=f"{stat.S_IMODE(found.st_mode):04o}")
        return _ABSENT

    def paths(self, pattern: str) -> list[str]:
        """Regular files that match, sorted; at most 5,000. Names that are not UTF-8 are left out."""
        wanted = glob(_normal(pattern))
        found = []
        for path in self._walk(wanted):
            if wanted.matches(path):
                found.append(path)
                if len(found) == MOST_PATHS:
                    break
        return sorted(found)

    def _walk(self, wanted: Glob) -> Iterator[str]:
        for folder, prefix in ((self._package, ""), (self._work, "work/")):
            if folder >= 0 and (prefix.startswith(wanted.prefix) or wanted.prefix.startswith(prefix)):
                yield from _files_below(folder, prefix)

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Write a file below ``work/`` in one piece: a new file takes the old one's place, so nothing is written
        through a link.
        """
        base, above, name = self.writable(path)
        temporary = f".keiken-{secrets.token_hex(8)}"
        try:
            parent = self._make_folders(base, above)
            try:
                self._put(parent, temporary, content, mode)
                try:
                    os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
                except OSError:
                    os.unlink(temporary, dir_fd=parent)
                    raise
            finally:
                os.close(parent)
        except (OSError, ValueError) as trouble:
            raise Failed(
                "file_not_written",
                _("'{path}' cannot be written: {trouble}.").format(path=path, trouble=_words(trouble)),
                _("See whether a folder, a link or a full disk is in the way."),
                {"file": path},
            ) from trouble

    def _put(self, parent: int, name: str, content: bytes, mode: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=parent)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            if os.geteuid() == 0:
                os.fchown(fd, self._uid, self._gid)
            os.fchmod(fd, mode & 0o777)
        except OSError:
            os.unlink(name, dir_fd=parent)
            raise
        finally:
            os.close(fd)

    def _make_folders(self, base: int, above: str) -> int:
        """A descriptor of the folder, made where it is missing. Raises OSError when a link or a file is in the way."""
        current = os.open(".", _FOLDER_FLAGS, dir_fd=base)
        for name in filter(None, above.split("/")):
            try:
                try:
                    lower = linux.open_beneath(current, name, _FOLDER_FLAGS, resolve=self.resolve)
                except FileNotFoundError:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=current)
                    lower = linux.open_beneath(current, name, _FOLDER_FLAGS, resolve=self.resolve)
                    if os.geteuid() == 0:
                        os.fchown(lower, self._uid, self._gid)
            finally:
                os.close(current)
            current = lower
        return current

    def exists(self, path: str) -> bool:
        return self.read(path).exists

    def writable(self, path: str) -> tuple[int, str, str]:
        """(base descriptor, folder below it, name). Raises Failed for any other path."""
        parts = path.split("/")
        if self._work < 0 or parts[0] != "work" or len(parts) < 2 or not _is_plain(parts) or "\0" in path:
            raise Failed(
                "path_not_writable",
                _("'{path}' is not a path below work/.").format(path=path),
                _("Write only below work/, without '.', '..' and empty names."),
                {"file": path},
            )
        return self._work, "/".join(parts[1:-1]), parts[-1]

    def _place(self, path: str) -> tuple[int, str]:
        """(folder descriptor, path below it); -1 when there can be no such path."""
        parts = _normal(path).split("/")
        if "\0" in path or not _is_plain(parts):
            return -1, ""
        if parts[0] == "work":
            return self._work, "/".join(parts[1:]) or "."
        return self._package, "/".join(parts)


def _normal(path: str) -> str:
    return path.removeprefix("./").removeprefix("/job/").rstrip("/")


def _is_plain(parts: list[str]) -> bool:
    return all(part not in ("", ".", "..") for part in parts) and sum(len(part) + 1 for part in parts) < 4096


def _state_of(handle: int) -> FileState:
    found = os.fstat(handle)
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    if stat.S_ISDIR(found.st_mode):
        return FileState(exists=True, kind="folder", mode=mode)
    if not stat.S_ISREG(found.st_mode):
        return FileState(exists=True, kind="other", mode=mode)
    content = _content(handle) if found.st_size <= READ_LIMIT_BYTES else None
    size = found.st_size if content is None else len(content)
    return FileState(exists=True, kind="file", size=size, mode=mode, content=content)


def _content(handle: int) -> bytes | None:
    """The bytes of a regular file; None when it cannot be read or grows beyond the limit while we read."""
    try:
        # The handle is known to be a regular file, and this link leads to that very file whatever its name has become.
        fd = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    with open(fd, "rb") as file:
        content = file.read(READ_LIMIT_BYTES + 1)
    return content if len(content) <= READ_LIMIT_BYTES else None


def _files_below(folder: int, prefix: str) -> Iterator[str]:
    """Paths of regular files, breadth first, bounded in number and depth, by descriptors only."""
    waiting, seen = [("", 0)], 0
    while waiting:
        inside, depth = waiting.pop()
        try:
            fd = linux.open_beneath(folder, inside or ".", _FOLDER_FLAGS)
        except (OSError, ValueError):
            continue
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MOST_ENTRIES:
                        return
                    if not _is_text(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False) and depth < MOST_DEPTH:
                        waiting.append((f"{inside}/{entry.name}".lstrip("/"), depth + 1))
                    elif entry.is_file(follow_symlinks=False):
                        yield prefix + f"{inside}/{entry.name}".lstrip("/")
        except OSError:
            continue
        finally:
            os.close(fd)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _words(trouble: Exception) -> str:
    return (isinstance(trouble, OSError) and trouble.strerror) or str(trouble)

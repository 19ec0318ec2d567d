"""The files of a package folder, read without following a single link: what is checked is what is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package import names
from keiken.package.rules import refusal

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class File:
    size: int
    executable: bool
    content: bytes | None = None
    """None where only its size was asked for."""


def files(folder: Path, *, with_content: Callable[[str], bool]) -> dict[str, File]:
    """Every file of the package, sorted by path; what editors and version control leave is passed over.

    Raises PackageError: ``package_missing``, ``package_too_large``, ``file_…``, ``entry_…`` or ``path_…``.
    """
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        why = _("{folder} is no package: {why}").format(folder=folder, why=error.strerror)
        raise refusal("package_missing", why, advice=_("Give the folder that holds experience.yaml.")) from None
    try:
        found = _collect(root, with_content)
    finally:
        os.close(root)
    names.check_collisions(found)
    return dict(sorted(found.items()))


def _collect(root: int, with_content: Callable[[str], bool]) -> dict[str, File]:
    found: dict[str, File] = {}
    total = 0
    for path, descriptor, name in _walk(root, "", [0]):
        file = _file(descriptor, name, path, with_content(path))
        total += file.size
        found[path] = file
        if len(found) > names.FILES_LIMIT or total > names.TOTAL_BYTES_LIMIT:
            why = _("the package is larger than 2,000 files or 32 MiB")
            raise refusal("package_too_large", why, advice=_("Leave out what a replay does not need."))
    return found


def _walk(descriptor: int, prefix: str, folders: list[int]) -> Iterator[tuple[str, int, str]]:
    """Path, parent folder's descriptor and name of everything that is no folder."""
    folders[0] += 1
    with os.scandir(descriptor) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(entries, names.FILES_LIMIT * 3)]
    if folders[0] > names.FOLDERS_LIMIT or len(listed) == names.FILES_LIMIT * 3:
        raise refusal("package_too_large", _("the package has more than 2,000 files or folders"))
    for name, is_folder in sorted(listed):
        if names.is_left_out(name):
            continue
        path = f"{prefix}{name}"
        names.check_path(path)
        if is_folder:
            with _opened(name, _FOLDER, descriptor, path) as inner:
                yield from _walk(inner, f"{path}/", folders)
        else:
            yield path, descriptor, name


def _file(parent: int, name: str, path: str, with_content: bool) -> File:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    _judge(status, path)
    if not with_content:
        return File(status.st_size, bool(status.st_mode & 0o100))
    with _opened(name, _FILE, parent, path) as descriptor:
        return _read(descriptor, path)


def _judge(status: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise names.path_refusal("entry_link", path, _("links are not allowed"))
    if not stat.S_ISREG(status.st_mode):
        raise names.path_refusal("entry_device", path, _("only plain files and folders are allowed"))
    if status.st_size > names.FILE_BYTES_LIMIT:
        raise names.path_refusal("file_too_large", path, _("a file has at most 8 MiB"))


def _read(descriptor: int, path: str) -> File:
    """The size is that of the bytes read, whatever is being done to the file meanwhile."""
    status = os.fstat(descriptor)
    _judge(status, path)
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        content = file.read(names.FILE_BYTES_LIMIT + 1)
    if len(content) > names.FILE_BYTES_LIMIT:
        raise names.path_refusal("file_too_large", path, _("a file has at most 8 MiB"))
    return File(len(content), bool(status.st_mode & 0o100), content)


@contextmanager
def _opened(name: str, flags: int, parent: int | None, path: str) -> Iterator[int]:
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unreadable(path: str, error: OSError) -> PackageError:
    return names.path_refusal("file_unreadable", path, _("it cannot be read: {why}").format(why=error.strerror))


def read(folder: Path, path: str) -> bytes:
    """One file of a package that was loaded. Raises PackageError where it is no longer a plain file."""
    *folders, name = path.split("/")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            with _opened(part, _FOLDER, descriptor, path) as inner:
                os.dup2(inner, descriptor, inheritable=False)
        with _opened(name, _FILE, descriptor, path) as file:
            content = _read(file, path).content
            assert content is not None
            return content
    finally:
        os.close(descriptor)

"""The archive of a package: a deterministic tar.gz, and its unpacking as if by an enemy.

The digest is over the compressed bytes, so that one look decides whether an archive is the one that was signed.
Everything that we choose is fixed (order, header fields, gzip header, level, strategy, window), so the same folder
gives the same bytes wherever the same zlib is; another implementation of DEFLATE may choose other bytes. That costs
nothing: the publisher's bytes are the version, and nobody ever packs again what was published.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from keiken.errors import PackageError, UsageError
from keiken.i18n import _
from keiken.package import names, tar, tree
from keiken.package.load import Package, check
from keiken.package.rules import refusal
from keiken.package.tar import archive_refusal
from keiken.package.tree import File

ARCHIVE_BYTES_LIMIT = 16 << 20
TAR_BYTES_LIMIT = names.TOTAL_BYTES_LIMIT + (names.FILES_LIMIT + names.FOLDERS_LIMIT + 20) * 2 * tar.BLOCK
RATIO_LIMIT = 200
RATIO_FLOOR_BYTES = 1 << 20
"""What unpacks to less may compress as well as it likes."""
_PIECE = 1 << 20
_FOLDER_MODE = 0o755
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_HEADER = _GZIP_MAGIC + b"\x08\x00" + bytes(4) + b"\x02\xff"
"""DEFLATE, no name, no time, best compression, unknown system."""


def digest(data: bytes) -> str:
    """``sha256:`` and 64 hexadecimal digits: the identity of a version."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def pack(folder: Path) -> bytes:
    """The archive of a valid package: same files, same bytes. Raises PackageError.

    Each file is read once: what was checked is what is packed.
    """
    files = tree.files(folder, with_content=lambda _path: True)
    check(files, folder)
    data = write_files(files)
    _inflated(data)  # nothing may be packed that would be refused when it is unpacked
    return data


def unpack(data: bytes, destination: Path) -> Package:
    """Unpack into an absent or empty folder, which is then complete or as it was. Raises PackageError.

    Everything is judged in memory before the first byte is written. UsageError ``destination_unwritable`` tells of
    a disk that is full or a folder that may not be written.
    """
    files, folders = _files(_inflated(data))
    package = check(files, destination)
    try:
        _place(files, folders, destination)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _not_empty(destination) from None
        why = _("{folder} cannot be written: {why}.").format(folder=destination, why=error.strerror)
        raise UsageError("destination_unwritable", why, _("Make room or choose another folder.")) from None
    return package.with_digest(digest(data))


def read_files(data: bytes) -> dict[str, File]:
    """The files of an archive in memory, judged like when it is unpacked. Raises PackageError."""
    return _files(_inflated(data))[0]


def write_files(files: Mapping[str, File]) -> bytes:
    """The archive of these files: same files, same bytes."""
    return _deflated(tar.write(files))


def _deflated(content: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY)
    body = deflater.compress(content) + deflater.flush()
    trailer = zlib.crc32(content).to_bytes(4, "little") + (len(content) & 0xFFFFFFFF).to_bytes(4, "little")
    return _GZIP_HEADER + body + trailer


def _inflated(data: bytes) -> bytes:
    """The tar bytes of exactly one gzip member with nothing after it, inflated no further than the limits."""
    if len(data) > ARCHIVE_BYTES_LIMIT:
        raise archive_refusal("archive_too_large", _("it is larger than 16 MiB"))
    if not data.startswith(_GZIP_MAGIC):
        raise archive_refusal("archive_not_gzip", _("it is no gzip file"))
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    tarred, rest = bytearray(), data
    while not inflater.eof:
        try:
            piece = inflater.decompress(rest, _PIECE)
        except zlib.error:
            raise archive_refusal("archive_damaged", _("it is damaged: its compressed data do not fit")) from None
        tarred += piece
        rest = inflater.unconsumed_tail
        _check_size(len(tarred), len(data))
        if not piece and not rest and not inflater.eof:
            raise archive_refusal("archive_truncated", _("it ends in the middle"))
    if inflater.unused_data.startswith(_GZIP_MAGIC):
        raise archive_refusal("archive_second_member", _("a second gzip member follows the first"))
    if inflater.unused_data:
        raise archive_refusal("archive_trailing_data", _("there is something after its end"))
    return bytes(tarred)


def _check_size(inflated: int, compressed: int) -> None:
    if inflated > max(RATIO_FLOOR_BYTES, RATIO_LIMIT * compressed):
        raise archive_refusal("archive_ratio", _("it unpacks to more than {n} times its size").format(n=RATIO_LIMIT))
    if inflated > TAR_BYTES_LIMIT:
        raise archive_refusal("archive_too_large", _("it unpacks to more than 32 MiB of files"))


def _files(tarred: bytes) -> tuple[dict[str, File], list[str]]:
    """The files, and the folders that are named, with every path checked."""
    files: dict[str, File] = {}
    folders: dict[str, None] = {}
    for entry in tar.read(tarred):
        names.check_path(entry.path)
        if entry.path in files or entry.path in folders:
            raise names.path_refusal("path_duplicate", entry.path, _("it stands twice in the archive"))
        if entry.file is None:
            folders[entry.path] = None
        else:
            files[entry.path] = entry.file
        if len(files) > names.FILES_LIMIT or len(folders) > names.FOLDERS_LIMIT:
            raise archive_refusal("archive_too_many_files", _("it holds more than 2,000 files or folders"))
    names.check_collisions(files, folders)
    return files, list(folders)


def _place(files: Mapping[str, File], folders: list[str], destination: Path) -> None:
    """Written aside and moved in one act, so that a crash leaves no half of a package under its name."""
    destination = Path.cwd() / destination
    if destination.is_symlink() or (destination.exists() and (not destination.is_dir() or any(destination.iterdir()))):
        raise _not_empty(destination)
    made = _make_parents(destination.parent)
    aside: Path | None = None
    try:
        aside = Path(tempfile.mkdtemp(prefix=".keiken-unpack-", dir=destination.parent))
        _write(files, folders, aside)
        aside.rename(destination)
    except BaseException:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # somebody else has put something there
                folder.rmdir()
        raise


def _make_parents(folder: Path) -> list[Path]:
    """Those that had to be made, outermost first."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()][::-1]
    for parent in missing:
        parent.mkdir(exist_ok=True)
    return missing


def _write(files: Mapping[str, File], folders: list[str], root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, _FOLDER_MODE)
        for folder in sorted({*folders, *(path.rpartition("/")[0] for path in files)}):
            _make_folder(descriptor, folder)
        for path, file in files.items():
            _write_file(descriptor, path, file)
    finally:
        os.close(descriptor)


def _make_folder(root: int, folder: str) -> None:
    parts = folder.split("/") if folder else []
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        try:
            os.mkdir(path, _FOLDER_MODE, dir_fd=root)
        except FileExistsError:
            continue
        os.chmod(path, _FOLDER_MODE, dir_fd=root)


def _write_file(root: int, path: str, file: File) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600, dir_fd=root), "wb") as target:
        assert file.content is not None, path
        target.write(file.content)
        os.fchmod(target.fileno(), 0o755 if file.executable else 0o644)


def _not_empty(destination: Path) -> PackageError:
    why = _("{folder} is not empty").format(folder=destination)
    return refusal("destination_not_empty", why, advice=_("Choose a folder that does not exist yet."))

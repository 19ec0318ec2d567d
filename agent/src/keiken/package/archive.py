"""The archive of a package: a deterministic tar.gz, and its unpacking as if by an enemy.

The digest is over the compressed bytes. DEFLATE output may differ between versions of zlib, so the publisher's bytes
are the version; packing is deterministic on one machine and nobody ever repacks what was published.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package import names
from keiken.package.load import Package, list_files, load

ARCHIVE_BYTES_LIMIT = 16 << 20
TAR_BYTES_LIMIT = names.TOTAL_BYTES_LIMIT + (4 << 20)
RATIO_LIMIT = 200
RATIO_FLOOR_BYTES = 1 << 20
"""Small archives may compress as well as they like."""
_BLOCK = 512


def digest(data: bytes) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def pack(folder: Path) -> bytes:
    """The archive of a valid package: same files, same bytes. Raises PackageError."""
    load(folder)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(list_files(folder)):
            content = (folder / path).read_bytes()
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o755 if (folder / path).stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), compresslevel=9, mtime=0)


def unpack(data: bytes, destination: Path) -> Package:
    """Unpack into an absent or empty folder and load it. Raises PackageError; then nothing is left behind."""
    entries = list(_entries(_inflate(data)))
    names.check_collisions(path for path, _content, _mode in entries)
    existed = destination.exists()
    if existed and any(destination.iterdir()):
        raise PackageError("destination_not_empty", _("{folder} is not empty.").format(folder=destination))
    destination.mkdir(parents=True, exist_ok=True)
    try:
        destination.chmod(0o755)
        for path, content, mode in entries:
            _write(destination / path, content, mode)
        package = load(destination)
    except BaseException:
        shutil.rmtree(destination, ignore_errors=True)
        if existed:
            destination.mkdir(exist_ok=True)
        raise
    return package.with_digest(digest(data))


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, mode)


def _refuse(code: str, message: str, file: str = "") -> PackageError:
    return PackageError(code, message, file=file, advice=_("Pack the folder again with 'keiken pack'."))


def _inflate(data: bytes) -> bytes:
    """The tar bytes of exactly one gzip member with nothing after it."""
    if len(data) > ARCHIVE_BYTES_LIMIT:
        raise _refuse("archive_too_large", _("The archive is larger than 16 MiB."))
    inflater = zlib.decompressobj(wbits=31)
    try:
        tar = inflater.decompress(data, TAR_BYTES_LIMIT + 1)
    except zlib.error as error:
        raise _refuse("archive_malformed", _("The archive is no gzip file: {why}.").format(why=error)) from None
    if len(tar) > max(RATIO_FLOOR_BYTES, RATIO_LIMIT * len(data)):
        raise _refuse("archive_ratio", _("The archive unpacks to more than {n} times its size.").format(n=RATIO_LIMIT))
    if len(tar) > TAR_BYTES_LIMIT:
        raise _refuse("archive_too_large", _("The archive unpacks to more than 32 MiB."))
    if not inflater.eof:
        raise _refuse("archive_truncated", _("The archive ends in the middle."))
    if inflater.unused_data:
        raise _refuse("archive_trailing_data", _("There is something after the end of the archive."))
    return tar


def _entries(tar: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Path, content and mode of every file. Every entry is judged before it is yielded."""
    seen: set[str] = set()
    total = 0
    stream = io.BytesIO(tar)
    try:
        with tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as archive:
            for entry in archive:
                path = entry.name.rstrip("/") if entry.isdir() else entry.name
                _judge(entry, path)
                if path in seen:
                    raise names.path_refusal("path_duplicate", path, _("it stands twice in the archive"))
                seen.add(path)
                if len(seen) > names.FILES_LIMIT:
                    raise _refuse("archive_too_many_files", _("The archive holds more than 2,000 entries."))
                if entry.isdir():
                    continue
                total += entry.size
                if total > names.TOTAL_BYTES_LIMIT:
                    raise _refuse("archive_too_large", _("The files are larger than 32 MiB together."))
                content = tar[entry.offset_data : entry.offset_data + entry.size]
                if len(content) != entry.size:
                    raise _refuse("archive_truncated", _("{path} ends in the middle.").format(path=path), path)
                yield path, content, 0o755 if entry.mode & 0o100 else 0o644
            end = archive.offset
    except tarfile.TarError as error:
        raise _refuse("archive_malformed", _("The archive cannot be read: {why}.").format(why=error)) from None
    except (ValueError, UnicodeError, EOFError, OverflowError) as error:
        raise _refuse("archive_malformed", _("The archive cannot be read: {why}.").format(why=error)) from None
    _check_end(tar, end)


def _check_end(tar: bytes, end: int) -> None:
    rest = tar[end:]
    if len(rest) < 2 * _BLOCK:
        raise _refuse("archive_truncated", _("The archive's end mark is missing."))
    if rest.strip(b"\0"):
        raise _refuse("archive_trailing_data", _("There is something after the archive's end mark."))


def _judge(entry: tarfile.TarInfo, path: str) -> None:
    with contextlib.suppress(UnicodeEncodeError):
        path.encode("utf-8")
    names.check_path(path)
    if entry.issym() or entry.islnk():
        raise names.path_refusal("entry_link", path, _("links are not allowed"))
    if entry.issparse():
        raise names.path_refusal("entry_sparse", path, _("sparse files are not allowed"))
    if not (entry.isreg() or entry.isdir()):
        raise names.path_refusal("entry_device", path, _("only plain files and folders are allowed"))
    if entry.size > names.FILE_BYTES_LIMIT:
        raise names.path_refusal("file_too_large", path, _("a file has at most 8 MiB"))

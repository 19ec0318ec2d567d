"""POSIX ustar, written and read by ourselves: the plain form only, so that there is one way to understand it.

Extended headers are where archive readers disagree and where attacks live (a PAX record that overrides a size, a GNU
long name, a sparse map), so none is written and each is refused by name. Of a header only type, path, size and the
owner's execute bit count; owners, times and other bits never reach a disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package import names
from keiken.package.rules import refusal
from keiken.package.tree import File

BLOCK = 512
_OCTAL = re.compile(rb"^ *([0-7]+)[ \0]*$")
_MAGIC = {b"ustar\x0000", b"ustar  \x00"}
"""POSIX, and what GNU tar writes; the two differ only in what follows the fields that are read here."""
_TYPES = {
    **dict.fromkeys(b"12", "entry_link"),
    **dict.fromkeys(b"346", "entry_device"),
    **dict.fromkeys(b"S", "entry_sparse"),
    **dict.fromkeys(b"xgXLKNAVMID", "archive_extension"),
}
"""What else other tar programs write; whatever is neither here nor a plain file or folder is ``entry_type``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``file`` is None for a folder."""

    path: str
    file: File | None


def write(files: Mapping[str, File]) -> bytes:
    """The tar of these files in the order of their paths' bytes: the same files give the same bytes everywhere."""
    parts = []
    for path in sorted(files, key=str.encode):
        file = files[path]
        assert file.content is not None, path
        assert len(file.content) == file.size, path
        parts += [_header(path, file), file.content, bytes(-file.size % BLOCK)]
    return b"".join([*parts, bytes(2 * BLOCK)])


def _header(path: str, file: File) -> bytes:
    fields = names.split(path)
    assert fields is not None, path
    prefix, name = fields
    mode = 0o755 if file.executable else 0o644
    head = name.ljust(100, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, file.size, 0)
    tail = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + prefix.ljust(155, b"\0") + bytes(12)
    return head + b"%06o\0 " % sum(head + b" " * 8 + tail) + tail


def read(tar: bytes) -> Iterator[Entry]:
    """Every entry, judged before it is yielded; paths are not checked here. Raises PackageError."""
    offset = count = total = 0
    while True:
        header = tar[offset : offset + BLOCK]
        if len(header) < BLOCK:
            raise archive_refusal("archive_truncated", _("its end mark is missing"))
        if not any(header):
            break
        entry = _entry(header)
        count, total = count + 1, total + entry.size
        if count > names.FILES_LIMIT + names.FOLDERS_LIMIT:
            raise archive_refusal("archive_too_many_files", _("it holds more than 4,000 entries"))
        if total > names.TOTAL_BYTES_LIMIT:
            raise archive_refusal("archive_too_large", _("its files are larger than 32 MiB together"))
        start, offset = offset + BLOCK, offset + BLOCK + entry.size + -entry.size % BLOCK
        yield _with_content(entry, tar[start:offset], offset > len(tar))
    _check_end(tar[offset:])


@dataclass(frozen=True, slots=True)
class _Header:
    path: str
    size: int
    executable: bool
    is_folder: bool


def _with_content(entry: _Header, padded: bytes, is_cut: bool) -> Entry:
    if is_cut:
        why = _("it ends in the middle of {path}").format(path=names.shown(entry.path))
        raise archive_refusal("archive_truncated", why)
    if any(padded[entry.size :]):
        why = _("something is hidden behind {path}").format(path=names.shown(entry.path))
        raise archive_refusal("archive_trailing_data", why)
    if entry.is_folder:
        return Entry(entry.path, None)
    return Entry(entry.path, File(entry.size, entry.executable, padded[: entry.size]))


def _entry(header: bytes) -> _Header:
    unsigned = sum(header[:148]) + 8 * 32 + sum(header[156:])
    if _number(header[148:156]) != unsigned:
        raise archive_refusal("archive_damaged", _("the checksum of a header does not fit"))
    path = _path(header)
    kind = header[156:157]
    if kind not in (b"0", b"5"):
        raise _type_refusal(_TYPES.get(kind[0], "entry_type"), path)
    if any(header[157:257]) or header[257:265] not in _MAGIC:
        raise archive_refusal("archive_malformed", _("a header is not of the form POSIX ustar"))
    size, mode = _number(header[124:136]), _number(header[100:108])
    if kind == b"5":
        if size or not path.endswith("/"):
            why = _("a folder has no content, and a name that ends in '/'")
            raise names.path_refusal("archive_malformed", path, why)
        return _Header(path[:-1], 0, False, True)
    if size > names.FILE_BYTES_LIMIT:
        raise names.path_refusal("file_too_large", path, _("a file has at most 8 MiB"))
    return _Header(path, size, bool(mode & 0o100), False)


def _type_refusal(code: str, path: str) -> PackageError:
    reasons = {
        "entry_link": _("links are not allowed"),
        "entry_sparse": _("sparse files are not allowed"),
        "archive_extension": _("extended headers and long names are not allowed"),
    }
    return names.path_refusal(code, path, reasons.get(code, _("only plain files and folders are allowed")))


def _path(header: bytes) -> str:
    name, prefix = _terminated(header[:100]), _terminated(header[345:500])
    # GNU tar keeps times where POSIX keeps the prefix, and never writes a prefix.
    if header[257:265] == b"ustar  \x00" and header[156:157] in b"05" and any(header[345:500]):
        raise archive_refusal("archive_malformed", _("a header is not of the form POSIX ustar"))
    try:
        return (prefix + b"/" + name if prefix else name).decode("utf-8")
    except UnicodeDecodeError:
        path = (prefix + b"/" + name).decode("utf-8", "backslashreplace")
        raise names.path_refusal("path_encoding", path, _("names must be UTF-8")) from None


def _terminated(field: bytes) -> bytes:
    text, _nul, rest = field.partition(b"\0")
    if any(rest):
        raise archive_refusal("archive_malformed", _("something is hidden behind the end of a name"))
    return text


def _number(field: bytes) -> int:
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise archive_refusal("archive_malformed", _("a number in a header is not octal"))
    return int(match.group(1), 8)


def _check_end(rest: bytes) -> None:
    if any(rest):
        raise archive_refusal("archive_trailing_data", _("there is something after its end mark"))
    if len(rest) < 2 * BLOCK:
        raise archive_refusal("archive_truncated", _("its end mark is incomplete"))
    if len(rest) % BLOCK:
        raise archive_refusal("archive_malformed", _("its length is no multiple of 512"))


def archive_refusal(code: str, why: str) -> PackageError:
    """A refusal of the archive as a whole."""
    return refusal(code, why, file=_("the archive"), advice=_("Pack the folder again with 'keiken pack'."))

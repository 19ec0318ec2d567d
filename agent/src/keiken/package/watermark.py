"""Marks that tell whose copy of an archive it is, and that come off again without a trace.

A marked archive holds the same files; only in Markdown that people read (``SKILL.md``, ``references/``) some lines end
with invisible spaces or tabs: two bits a line. The gzip header says which files are marked and for which license.
Whoever has that header takes the marks off and packs again: then it is the published archive, byte for byte, or it is
not taken for it. Whoever strips the header still has the marks. Lines inside code fences, indented code and front
matter are left alone, so what the text says, and what is copied from it, stays the same.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from keiken.errors import PackageError
from keiken.package import archive
from keiken.package.skill import FILE as SKILL
from keiken.package.tree import File

SUFFIXES = ("", " ", "\t", " \t")
"""What a line's two bits look like. No two spaces: those are a line break in Markdown."""
_FIELD = b"KK"
_FEXTRA = 0x04
_FRONT = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*(?:\n|\Z)", re.S | re.M)
_TRAILING = re.compile(r"[ \t]*$")


@dataclass(frozen=True)
class Mark:
    """What the header of a marked archive says."""

    license: str
    files: tuple[str, ...]


def carriers(text: str) -> list[int]:
    """The lines (from 0) that can carry a mark, the same for a text with marks and without."""
    front = _FRONT.match(text)
    first = text.count("\n", 0, front.end()) if front else 0
    found, fence = [], ""
    for number, line in enumerate(text.split("\n")):
        bare = line.rstrip(" \t")
        opening = re.match(r" {0,3}(```+|~~~+)", bare)
        if fence:
            fence = "" if opening and bare.strip().startswith(fence) and not bare.strip(" `~") else fence
        elif opening:
            fence = opening.group(1)
        elif number >= first and not bare.startswith(("    ", "\t")) and not bare.endswith("\\"):
            found.append(number)
    # What follows the last line end is no line.
    return [number for number in found if number < text.count("\n")]


def markable(files: Mapping[str, File]) -> dict[str, str]:
    """The texts that can carry marks: no carrying line of theirs ends with white space by itself."""
    texts = {}
    for path, file in sorted(files.items()):
        if path != SKILL and not (path.startswith("references/") and path.endswith(".md")):
            continue
        try:
            text = (file.content or b"").decode()
        except UnicodeDecodeError:
            continue
        lines = text.split("\n")
        places = carriers(text)
        if "\r" not in text and places and all(lines[number] == lines[number].rstrip(" \t") for number in places):
            texts[path] = text
    return texts


def marked(data: bytes, license: str, symbols: Iterator[int]) -> bytes | None:
    """The archive with marks: one symbol (0 to 3) a carrying line, in the order of the files and lines.

    None where it cannot be: nothing carries, or this machine would not pack the published bytes again.
    """
    files = archive.read_files(data)
    if archive.write_files(files) != data:
        return None
    texts = markable(files)
    if not texts:
        return None
    changed = dict(files)
    for path, text in texts.items():
        lines = text.split("\n")
        for number in carriers(text):
            lines[number] += SUFFIXES[next(symbols)]
        content = "\n".join(lines).encode()
        changed[path] = replace(files[path], content=content, size=len(content))
    return _written(changed, json.dumps({"license": license, "files": list(texts)}, separators=(",", ":")).encode())


def _written(files: Mapping[str, File], said: bytes) -> bytes:
    """The archive with this in its header (RFC 1952, 2.3.1.1)."""
    plain = archive.write_files(files)
    field = _FIELD + len(said).to_bytes(2, "little") + said
    return plain[:3] + bytes([_FEXTRA]) + plain[4:10] + len(field).to_bytes(2, "little") + field + plain[10:]


def mark_of(data: bytes) -> Mark | None:
    """What the header says; None for an archive without marks, or whose header was stripped."""
    if len(data) < 16 or data[:2] != b"\x1f\x8b" or not data[3] & _FEXTRA or data[12:14] != _FIELD:
        return None
    size = int.from_bytes(data[14:16], "little")
    try:
        said = json.loads(data[16 : 16 + size])
        return Mark(str(said["license"]), tuple(map(str, said["files"])))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def original(data: bytes) -> bytes:
    """The published archive: the data themselves where they carry no mark. Never raises: damage shows in the digest.

    Only what we would have written ourselves is taken, so that no other bytes pass for the same copy.
    """
    mark = mark_of(data)
    if mark is None:
        return data
    try:
        files = dict(archive.read_files(data))
    except PackageError:
        return data
    if _written(files, data[16 : 16 + int.from_bytes(data[14:16], "little")]) != data:
        return data
    for path in mark.files:
        file = files.get(path)
        if file is None or file.content is None:
            return data
        content = unmarked(file.content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        files[path] = replace(file, content=content, size=len(content))
    return archive.write_files(files)


def unmarked(text: str) -> str:
    lines = text.split("\n")
    for number in carriers(text):
        lines[number] = lines[number].rstrip(" \t")
    return "\n".join(lines)


def read_marks(leaked: str, published: str) -> list[int | None]:
    """The symbols that a leaked text still shows, in the order of the published one's lines; None where it shows none.

    Lines are matched by what they say, so that a text with parts cut out or moved still tells.
    """
    theirs = leaked.replace("\r\n", "\n").split("\n")
    ours = published.split("\n")
    matcher = difflib.SequenceMatcher(
        a=[line.rstrip(" \t") for line in ours], b=[line.rstrip(" \t") for line in theirs], autojunk=False
    )
    place = {}
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            place[block.a + offset] = block.b + offset
    return [_symbol(theirs[place[number]]) if number in place else None for number in carriers(published)]


def _symbol(line: str) -> int | None:
    found = _TRAILING.search(line)
    suffix = found.group() if found else ""
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else None

"""Archives that attack whoever unpacks them, each with the code of its refusal.

``HOSTILE`` maps a name to the bytes and the code; the server's tests of publishing use the same table.
All are made here, so nothing hostile lies in the repository.
"""

from __future__ import annotations

import gzip
import io
import itertools
import random
import tarfile
from collections.abc import Callable, Mapping

from keiken.errors import PackageError

MANIFEST = """\
experience: "1"
name: greet
version: 1.0.0
title: Write a greeting
license: Apache-2.0
conditions: {os.family: linux}
parameters:
  who: {type: string, maxLength: 40, default: world}
permissions: {commands: [cp], write: [work/**]}
steps:
  - id: write
    file: {write: work/draft.txt, content: "Hello, ${{ parameters.who }}\\n"}
    expect: [file('work/draft.txt').exists]
  - id: copy
    run: [cp, work/draft.txt, work/greeting.txt]
    expect: [result.exit_code == 0, "file('work/greeting.txt').size > 0"]
scenarios:
  - name: greets
    parameters: {who: Keiko}
  - name: refuses another family
    facts: {os.family: plan9}
    outcome: refused
"""
SKILL = """\
---
name: greet
description: Writes a greeting to a file and checks it.
---

# Greet

Write the greeting, then copy it to its place.
"""
VALID: Mapping[str, bytes] = {"experience.yaml": MANIFEST.encode(), "SKILL.md": SKILL.encode()}


def entry(path: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """One tar entry; ``fields`` are set on its TarInfo last, so that it may lie."""
    info = tarfile.TarInfo(path)
    info.size = len(content)
    info.mode = 0o644
    for name, value in fields.items():
        setattr(info, name, value)
    return info, content


def tar(
    *entries: tuple[tarfile.TarInfo, bytes], base: Mapping[str, bytes] = VALID, form: int = tarfile.USTAR_FORMAT
) -> bytes:
    """The tar of a valid package and the entries after it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for info, content in [*(entry(path, content) for path, content in base.items()), *entries]:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def refusal_of(call: Callable[[], object]) -> PackageError | None:
    """The refusal of a call that may be refused; anything else it raises is a bug."""
    try:
        call()
    except PackageError as error:
        return error
    return None


def pack(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=6, mtime=0)


def archive(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    return pack(tar(*entries, form=form))


def with_manifest(text: str) -> bytes:
    return pack(tar(base={**VALID, "experience.yaml": text.encode("utf-8", "surrogateescape")}))


def with_skill(text: str) -> bytes:
    return pack(tar(base={**VALID, "SKILL.md": text.encode()}))


def raw_header(
    path: bytes,
    *,
    size: bytes = b"00000000000\0",
    kind: bytes = b"0",
    linkname: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
) -> bytes:
    """A header whose checksum fits, whatever stands in its fields."""
    head = path.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"00000000000\0"
    tail = kind + linkname.ljust(100, b"\0") + magic + bytes(80) + prefix.ljust(155, b"\0") + bytes(12)
    return head + b"%06o\0 " % sum(head + b" " * 8 + tail) + tail


def raw(*blocks: bytes) -> bytes:
    """A valid package, then these blocks, then the end mark."""
    valid = tar()
    content = valid[: _end(valid)]
    return pack(content + b"".join(blocks) + bytes(1024))


def _end(data: bytes) -> int:
    """Where the entries end."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        last = archive.getmembers()[-1]
        return last.offset_data + -(-last.size // 512) * 512


def pax(records: Mapping[str, str], path: str = "assets/a.txt", *, kind: bytes = b"x") -> bytes:
    """An extended header with these records, then a plain file."""
    body = b""
    for key, value in records.items():
        text = f" {key}={value}\n".encode()
        length = len(text) + 2
        while len(str(length)) + len(text) != length:
            length = len(str(length)) + len(text)
        body += str(length).encode() + text
    header = raw_header(b"PaxHeaders/a", size=b"%011o\0" % len(body), kind=kind)
    return raw(header, body.ljust(-(-len(body) // 512) * 512, b"\0"), raw_header(path.encode()))


def _changed(data: bytes, position: int, value: int) -> bytes:
    return data[:position] + bytes([value]) + data[position + 1 :]


def _repetitive(mebibytes: int) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Files that compress about a hundred to one: less than a bomb, more than a package."""
    block = random.Random(1).randbytes(8 << 10) * 128
    return [entry(f"assets/{number}.bin", block * 4) for number in range(-(-mebibytes // 4))]


_good = archive()
_bomb = pack(bytes(40 << 20))

HOSTILE: dict[str, tuple[bytes, str]] = {
    # where it would be written
    "traversal": (archive(entry("../evil.txt", b"x")), "path_traversal"),
    "traversal within": (archive(entry("assets/../../evil.txt", b"x")), "path_traversal"),
    "traversal with backslash": (archive(entry("..\\evil.txt", b"x")), "path_character"),
    "dot part": (archive(entry("./evil.txt", b"x")), "path_traversal"),
    "empty part": (archive(entry("assets//evil.txt", b"x")), "path_traversal"),
    "absolute": (archive(entry("/etc/evil.txt", b"x")), "path_absolute"),
    "drive": (archive(entry("C:/evil.txt", b"x")), "path_absolute"),
    "traversing folder": (archive(entry("../evil/", type=tarfile.DIRTYPE)), "path_traversal"),
    "no name": (raw(raw_header(b"")), "path_empty"),
    # what it would be
    "symlink": (archive(entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "entry_link"),
    "symlink to a folder, then a file in it": (
        archive(entry("assets", type=tarfile.SYMTYPE, linkname="/tmp"), entry("assets/evil.txt", b"x")),
        "entry_link",
    ),
    "hardlink": (archive(entry("link", type=tarfile.LNKTYPE, linkname="experience.yaml")), "entry_link"),
    "file with a link's target": (raw(raw_header(b"a.txt", linkname=b"/etc/passwd")), "archive_malformed"),
    "fifo": (archive(entry("pipe", type=tarfile.FIFOTYPE)), "entry_device"),
    "character device": (archive(entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "entry_device"),
    "block device": (archive(entry("disk", type=tarfile.BLKTYPE, devmajor=8)), "entry_device"),
    "contiguous file": (archive(entry("cont", type=tarfile.CONTTYPE)), "entry_type"),
    "old kind of file": (archive(entry("old", type=tarfile.AREGTYPE)), "entry_type"),
    "unknown kind": (archive(entry("odd", type=b"Z")), "entry_type"),
    "sparse file of GNU": (raw(raw_header(b"sparse", kind=b"S", magic=b"ustar  \0")), "entry_sparse"),
    # extensions
    "PAX path": (pax({"path": "../evil.txt"}), "archive_extension"),
    "PAX size": (pax({"size": "99999999999"}), "archive_extension"),
    "PAX sparse": (pax({"GNU.sparse.major": "1", "GNU.sparse.name": "x"}), "archive_extension"),
    "PAX linkpath": (pax({"linkpath": "/etc/passwd"}), "archive_extension"),
    "PAX global": (pax({"path": "../evil.txt"}, kind=b"g"), "archive_extension"),
    "PAX of Solaris": (pax({"path": "../evil.txt"}, kind=b"X"), "archive_extension"),
    "GNU long name": (archive(entry("a/" * 60 + "x", b"x"), form=tarfile.GNU_FORMAT), "archive_extension"),
    "GNU long link": (
        archive(entry("l", type=tarfile.SYMTYPE, linkname="y" * 200), form=tarfile.GNU_FORMAT),
        "archive_extension",
    ),
    "GNU volume label": (raw(raw_header(b"volume", kind=b"V")), "archive_extension"),
    # names
    "NFC collision": (archive(entry("caf\u00e9", b"1"), entry("cafe\u0301", b"2")), "path_not_normalized"),
    "case collision": (archive(entry("assets/A.txt", b"1"), entry("assets/a.txt", b"2")), "path_collision"),
    "case collision of folders": (archive(entry("Assets/a", b"1"), entry("assets/b", b"2")), "path_collision"),
    "case collision with the manifest": (archive(entry("Experience.YAML", b"1")), "path_collision"),
    "file and folder": (archive(entry("assets", b"1"), entry("assets/b", b"2")), "path_collision"),
    "folder and file": (
        archive(entry("assets/", type=tarfile.DIRTYPE), entry("assets", b"2")),
        "path_duplicate",
    ),
    "duplicate": (archive(entry("assets/a.txt", b"1"), entry("assets/a.txt", b"2")), "path_duplicate"),
    "second manifest": (archive(entry("experience.yaml", MANIFEST.encode())), "path_duplicate"),
    "control character": (archive(entry("a\nb", b"1")), "path_control_character"),
    "escape sequence": (archive(entry("\x1b[2Jb", b"1")), "path_control_character"),
    "right to left": (archive(entry("txt.\u202egnp", b"1")), "path_control_character"),
    "not UTF-8": (archive(entry("\udcff\udcfe", b"1")), "path_encoding"),
    "hidden after NUL": (raw(raw_header(b"assets/a.txt\0../evil")), "archive_malformed"),
    "reserved by Windows": (archive(entry("assets/aux.txt", b"1")), "path_reserved"),
    "trailing dot": (archive(entry("assets/x.", b"1")), "path_reserved"),
    "work": (archive(entry("work/seed.txt", b"1")), "path_reserved"),
    "hooks": (archive(entry(".git/hooks/post-checkout", b"#!/bin/sh\n", mode=0o755)), "path_left_out"),
    "too deep": (archive(entry("d/" * 12 + "x", b"1")), "path_too_deep"),
    "name too long": (raw(raw_header(b"a" * 100, prefix=b"b" * 150)), "path_too_long"),
    # how much
    "gzip bomb": (_bomb, "archive_ratio"),
    "bomb in a file": (archive(entry("assets/zero.bin", bytes(7 << 20))), "archive_ratio"),
    "too large altogether": (archive(*_repetitive(40)), "archive_too_large"),
    "large file": (archive(entry("assets/big.bin", random.Random(2).randbytes(64 << 10) * 129)), "file_too_large"),
    "many files": (archive(*(entry(f"assets/{n}", b"") for n in range(2_001))), "archive_too_many_files"),
    "many folders": (
        archive(*(entry(f"assets/{n}/", type=tarfile.DIRTYPE) for n in range(2_001))),
        "archive_too_many_files",
    ),
    "promised size": (raw(raw_header(b"assets/a.txt", size=b"77777777777\0")), "file_too_large"),
    "binary size": (raw(raw_header(b"assets/a.txt", size=b"\x80" + bytes(10) + b"\x01")), "archive_malformed"),
    "negative size": (raw(raw_header(b"assets/a.txt", size=b"\xff" * 12)), "archive_malformed"),
    "signed size": (raw(raw_header(b"assets/a.txt", size=b"-0000000001\0")), "archive_malformed"),
    # the container
    "empty": (b"", "archive_not_gzip"),
    "no gzip": (tar(), "archive_not_gzip"),
    "zip": (b"PK\x03\x04" + bytes(100), "archive_not_gzip"),
    "truncated": (_good[: len(_good) // 2], "archive_truncated"),
    "truncated by one byte": (_good[:-1], "archive_truncated"),
    "only a header": (_good[:10], "archive_truncated"),
    "trailing data": (_good + b"more", "archive_trailing_data"),
    "trailing zeros": (_good + bytes(512), "archive_trailing_data"),
    "second gzip member": (_good + pack(b"more"), "archive_second_member"),
    "second package": (_good + _good, "archive_second_member"),
    "wrong checksum of gzip": (_changed(_good, len(_good) - 6, _good[-6] ^ 1), "archive_damaged"),
    "damaged data": (_changed(_good, 12, 0xFF), "archive_damaged"),
    "empty tar": (pack(b""), "archive_truncated"),
    "no end mark": (pack(tar()[: _end(tar())]), "archive_truncated"),
    "half an end mark": (pack(tar()[: _end(tar())] + bytes(512)), "archive_truncated"),
    "cut in a file": (pack(tar()[:700]), "archive_truncated"),
    "after the end mark": (pack(tar() + raw_header(b"evil")), "archive_trailing_data"),
    "hidden in the padding": (raw(raw_header(b"a.txt", size=b"00000000001\0"), b"x" * 512), "archive_trailing_data"),
    "wrong checksum of a header": (pack(_changed(tar(), 0, 0x46)), "archive_damaged"),
    "no tar": (pack(b"hello" * 500), "archive_malformed"),
    "another magic": (raw(raw_header(b"a.txt", magic=b"tsuar\x0000")), "archive_malformed"),
    "wrapped in a folder": (
        pack(tar(base={f"greet/{path}": content for path, content in VALID.items()})),
        "manifest_missing",
    ),
    # what it says
    "no manifest": (pack(tar(base={"SKILL.md": VALID["SKILL.md"]})), "manifest_missing"),
    "no skill": (pack(tar(base={"experience.yaml": VALID["experience.yaml"]})), "skill_missing"),
    "YAML alias bomb": (
        with_manifest("a: &a [x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in itertools.pairwise("abcdefgh"))),
        "yaml_alias",
    ),
    "YAML merge of itself": (with_manifest("a: &a\n  <<: *a\n"), "yaml_alias"),
    "YAML tag for Python": (with_manifest('a: !!python/object/apply:os.system ["true"]\n'), "yaml_tag"),
    "YAML tag for a set": (with_manifest("a: !!set {x, y}\n"), "yaml_tag"),
    "YAML tag of one's own": (with_manifest("a: !mine x\n"), "yaml_tag"),
    "YAML duplicate key": (with_manifest(MANIFEST + "title: Another\n"), "yaml_duplicate_key"),
    "YAML deep": (with_manifest("[" * 5000 + "]" * 5000), "yaml_depth"),
    "YAML deep blocks": (with_manifest("".join(" " * n + "a:\n" for n in range(60))), "yaml_depth"),
    "YAML wide": (with_manifest("a: [" + "1," * 25_000 + "1]"), "yaml_too_large"),
    "YAML long": (with_manifest("a: " + "x" * 300_000), "yaml_too_large"),
    "YAML key that is a list": (with_manifest("? [a]\n: b\n"), "yaml_key"),
    "YAML not a number": (with_manifest("a: .nan\n"), "yaml_number"),
    "YAML huge number": (with_manifest("a: " + "9" * 5000), "yaml_number"),
    "YAML two documents": (with_manifest(MANIFEST + "---\na: b\n"), "yaml_syntax"),
    "YAML unfinished": (with_manifest("a: [b"), "yaml_syntax"),
    "YAML not UTF-8": (with_manifest("a: \udcff"), "yaml_syntax"),
    "YAML control character": (with_manifest("a: \x07"), "yaml_character"),
    "YAML NUL": (with_manifest('a: "\\0"'), "yaml_character"),
    "YAML half a pair": (with_manifest('a: "\\ud800"'), "yaml_character"),
    "manifest is a list": (with_manifest("- a\n"), "manifest_invalid"),
    "manifest is nothing": (with_manifest(""), "manifest_invalid"),
    "unknown key": (with_manifest(MANIFEST + "skript: x\n"), "manifest_invalid"),
    "another name in SKILL.md": (with_skill(SKILL.replace("name: greet", "name: other")), "skill_invalid"),
    "SKILL.md without front matter": (with_skill("# Greet\n"), "skill_invalid"),
    "SKILL.md with an alias": (with_skill("---\na: &a x\nb: *a\n---\n"), "yaml_alias"),
    "check that is no CEL": (with_manifest(MANIFEST.replace("result.exit_code == 0", "import os")), "check_invalid"),
    "schema that fetches": (
        with_manifest(MANIFEST.replace("{type: string, maxLength: 40,", "{$ref: 'http://127.0.0.1:9/x',")),
        "parameter_schema_invalid",
    ),
    "file action that traverses": (
        with_manifest(MANIFEST.replace("write: work/draft.txt", "write: work/../../draft.txt")),
        "file_path_invalid",
    ),
}

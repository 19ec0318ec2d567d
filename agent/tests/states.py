"""A job's state as a plain mapping, for tests of checks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any


class MappedState:
    """Files by path, and open ports. ``asked`` remembers every question."""

    def __init__(self, files: Mapping[str, bytes] | None = None, ports: frozenset[int] = frozenset()) -> None:
        self.files_by_path, self.ports = dict(files or {}), ports
        self.asked: list[str] = []

    def file(self, path: str) -> dict[str, Any]:
        self.asked.append(f"file {path}")
        content = self.files_by_path.get(path)
        if content is None:
            return {"exists": False, "kind": "absent", "size": 0, "mode": ""}
        return {
            "exists": True,
            "kind": "file",
            "size": len(content),
            "mode": "0644",
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": content,
        }

    def files(self, pattern: str) -> list[str]:
        self.asked.append(f"files {pattern}")
        if ".." in pattern:
            raise ValueError("it leads elsewhere")
        return sorted(path for path in self.files_by_path if fnmatchcase(path, pattern))

    def port(self, number: int) -> dict[str, Any]:
        self.asked.append(f"port {number}")
        return {"open": number in self.ports}


FILES = {
    "work/a.txt": b"one\ntwo\n",
    "work/empty": b"",
    "work/latin1": b"caf\xe9",
    "work/data.json": b'{"items": [{"price": 3}], "name": "\xe6\x97\xa5\xe6\x9c\xac"}',
    "work/trap.json": b'{"@bytes": "!!", "@map": [1]}',
    "work/bytes.json": b'{"@bytes": "!!"}',
    "work/map.json": b'{"@map": 3}',
    "work/list.csv": b'name,total\r\nA,1\r\n"B, C",2\r\n',
}

"""``keiken init``: a package to start from. It loads, it proves itself, and it says where to go on."""

from __future__ import annotations

from pathlib import Path

from keiken.package import Package, load
from keiken.record.write import NewFolder, require_new, write_package


def init(*, folder: Path, name: str, title: str = "") -> Package:
    """Write a small working package into the absent or empty ``folder``. Raises UsageError, PackageError."""
    require_new(folder)
    parts = {
        "experience": "1",
        "name": name,
        "version": "0.1.0",
        "title": title or name.replace("-", " ").capitalize(),
        "topics": [],
        "license": "Apache-2.0",
        "conditions": {"os.family": "linux"},
        "parameters": {"who": {"type": "string", "maxLength": 40, "default": "world"}},
        "permissions": {"commands": ["cp"], "write": ["work/**"]},
        "steps": [
            {
                "id": "write",
                "title": "Write a draft",
                "file": {"write": "work/draft.txt", "content": "Hello, ${{ parameters.who }}\n"},
                "expect": ["file('work/draft.txt').size > 0"],
            },
            {
                "id": "publish",
                "title": "Put it in its place",
                "run": ["cp", "work/draft.txt", "work/greeting.txt"],
                "expect": [
                    "result.exit_code == 0",
                    "file('work/greeting.txt').text == 'Hello, ' + parameters.who + '\\n'",
                ],
            },
        ],
        "undo": [
            {
                "id": "remove",
                "title": "Remove it",
                "file": {"remove": "work/greeting.txt"},
                "expect": ["!file('work/greeting.txt').exists"],
            }
        ],
        "scenarios": [
            {"name": "greets", "environments": ["debian-12"], "parameters": {"who": "Keiko"}},
            {
                "name": "refuses another family",
                "environments": ["debian-12"],
                "facts": {"os.family": "plan9"},
                "outcome": "refused",
            },
        ],
    }
    with NewFolder(folder) as new:
        write_package(new.staged, parts, None, (), "")
        load(new.staged)
    return load(new.kept_in)

"""Small real packages for tests: a folder or an archive whose parts a test replaces by name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from keiken.package import pack

MANIFEST: dict[str, Any] = {
    "experience": "1",
    "name": "write-greeting",
    "version": "1.0.0",
    "title": "Write a greeting",
    "topics": ["text"],
    "license": "Apache-2.0",
    "conditions": {"os.family": "linux"},
    "parameters": {"who": {"type": "string", "maxLength": 40, "default": "world"}},
    "permissions": {"commands": ["cp"], "write": ["work/**"]},
    "steps": [
        {
            "id": "write",
            "title": "Write it",
            "file": {"write": "work/draft.txt", "content": "Hello, ${{ parameters.who }}\n"},
            "expect": ["file('work/draft.txt').exists"],
        },
        {
            "id": "copy",
            "title": "Publish it",
            "run": ["cp", "work/draft.txt", "work/greeting.txt"],
            "expect": [
                "result.exit_code == 0",
                "file('work/greeting.txt').text == 'Hello, ' + parameters.who + '\\n'",
            ],
        },
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
SKILL = """---
name: {name}
description: Writes a greeting to a file and checks it.
license: Apache-2.0
---

# Write a greeting

1. Write the greeting.
2. Copy it to its place.
"""


def write_package(folder: Path, *, files: dict[str, str] | None = None, skill: str = "", **manifest: Any) -> Path:
    """A valid package in ``folder``; keyword arguments replace parts of the manifest."""
    document = {**MANIFEST, **manifest}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experience.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    (folder / "SKILL.md").write_text(skill or SKILL.format(name=document["name"]))
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def package_bytes(*, files: dict[str, str] | None = None, skill: str = "", **manifest: Any) -> bytes:
    """The archive of such a package."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / str(manifest.get("name", MANIFEST["name"]))
        return pack(write_package(folder, files=files, skill=skill, **manifest))

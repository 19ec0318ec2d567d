"""Packages for tests of the client, and bytes that are not theirs any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MANIFEST: dict[str, Any] = {
    "experience": "1",
    "name": "write-greeting",
    "version": "1.0.0",
    "title": "Write a greeting",
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
            "run": ["cp", "work/draft.txt", "work/greeting.txt"],
            "expect": ["result.exit_code == 0", "file('work/greeting.txt').text.startsWith('Hello, ')"],
        },
    ],
    "scenarios": [
        {"name": "greets", "environments": ["local"], "parameters": {"who": "Keiko"}},
        {
            "name": "refuses another family",
            "environments": ["local"],
            "facts": {"os.family": "plan9"},
            "outcome": "refused",
        },
    ],
}


def write_package(folder: Path, **manifest: Any) -> Path:
    """A valid package; keyword arguments replace parts of the manifest."""
    document = {**MANIFEST, **manifest}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experience.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    skill = f"---\nname: {document['name']}\ndescription: Writes a greeting.\nlicense: Apache-2.0\n---\n\n# Greet\n"
    (folder / "SKILL.md").write_text(skill)
    return folder


def flipped(content: bytes, position: int, bit: int = 0) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 1 << bit
    return bytes(changed)

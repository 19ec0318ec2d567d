"""Writing a draft package: level 1, level 2 and the redacted trace."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from keiken.record.describe import Words

HEADER = """\
# A draft, made by recording. Look at it before you publish:
# - conditions: where is this known to hold? Only what was seen is proposed.
# - parameters: which values may change, and within which bounds?
# - expect: do the checks look at the effect itself? 'keiken check' tells which are too weak.
"""


class _Plain(yaml.SafeDumper):
    """Writes everything out: the format allows no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_package(folder: Path, parts: dict[str, Any], words: Words | None, assets: Sequence[Path], trace: str) -> None:
    """Write the folder; ``words`` replace the plain texts where a model wrote some."""
    folder.mkdir(parents=True)
    if words is not None:
        parts = {**parts, "title": words.title}
        for step, title in zip(parts["steps"], words.step_titles, strict=False):
            step["title"] = title
    document = yaml.dump(parts, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    (folder / "experience.yaml").write_text(HEADER + document, encoding="utf-8")
    (folder / "SKILL.md").write_text(_skill(parts, words), encoding="utf-8")
    if trace:
        (folder / "trace").mkdir()
        (folder / "trace" / "session.jsonl").write_text(trace, encoding="utf-8")
    for path in assets:
        (folder / "assets").mkdir(exist_ok=True)
        shutil.copy(path, folder / "assets" / path.name)


def _skill(parts: dict[str, Any], words: Words | None) -> str:
    front = {
        "name": parts["name"],
        "description": words.description if words else f"{parts['title']}. Recorded from a shell session.",
        "license": parts["license"],
    }
    if words:
        body = words.body
    else:
        steps = "\n".join(f"{number}. {step['title']}" for number, step in enumerate(parts["steps"], 1))
        body = f"# {parts['title']}\n\n{steps}"
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)}---\n\n{body}\n"

"""``SKILL.md``: level 2 of an experience, and a valid Agent Skill (agentskills.io) by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package import yaml

FIELDS = {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}


@dataclass(frozen=True)
class Skill:
    """``body`` is the Markdown below the front matter."""

    name: str
    description: str
    license: str
    body: str
    metadata: Mapping[str, Any]
    compatibility: str = ""
    allowed_tools: str = ""


def parse(content: bytes) -> Skill:
    """Read SKILL.md. Raises PackageError ``skill_invalid`` with the line."""
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise _refuse(_("it is not UTF-8 text"), None) from None
    if not text.startswith("---\n") or "\n---" not in text[4:]:
        raise _refuse(_("it must start with front matter between two lines '---'"), 1)
    front, body = text[4:].split("\n---", 1)
    document = yaml.parse(("\n" + front).encode(), "SKILL.md")
    fields = document.value
    if not isinstance(fields, dict):
        raise _refuse(_("the front matter must be a mapping"), 2)
    for name in fields:
        if name not in FIELDS:
            raise _refuse(_("'{name}' is not a field of an Agent Skill").format(name=name), document.line((name,)))
    for name, limit in (("name", 64), ("description", 1024)):
        value = fields.get(name)
        if not isinstance(value, str) or not 0 < len(value.strip()) <= limit:
            problem = _("'{name}' must be text of 1 to {limit} characters").format(name=name, limit=limit)
            raise _refuse(problem, document.line((name,)))
    if not isinstance(fields.get("metadata", {}), dict):
        raise _refuse(_("'metadata' must be a mapping"), document.line(("metadata",)))
    return Skill(
        name=fields["name"],
        description=fields["description"].strip(),
        license=str(fields.get("license") or ""),
        body=body.split("\n", 1)[1] if "\n" in body else "",
        metadata=fields.get("metadata") or {},
        compatibility=str(fields.get("compatibility") or ""),
        allowed_tools=str(fields.get("allowed-tools") or ""),
    )


def _refuse(why: str, line: int | None) -> PackageError:
    where = _("SKILL.md, line {line}").format(line=line) if line else "SKILL.md"
    return PackageError("skill_invalid", f"{where}: {why}.", file="SKILL.md", line=line)

"""``SKILL.md``: level 2 of an experience, and a valid Agent Skill (agentskills.io) by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package import yaml
from keiken.package.manifest import NAME_PATTERN
from keiken.package.rules import refusal

FILE = "SKILL.md"
SIZE_LIMIT = 256 << 10
FIELDS = {"name": 64, "description": 1024, "license": 200, "compatibility": 500, "metadata": 0, "allowed-tools": 2000}
"""The fields of an Agent Skill, and how many characters of text each holds at most."""
REQUIRED = ("name", "description")
_FRONT = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.S | re.M)


@dataclass(frozen=True)
class Skill:
    """``body`` is the Markdown below the front matter."""

    name: str
    description: str
    license: str
    body: str
    metadata: Mapping[str, str]
    compatibility: str = ""
    allowed_tools: str = ""
    name_line: int | None = None


def parse(content: bytes) -> Skill:
    """Read SKILL.md. Raises PackageError ``skill_invalid`` (or ``yaml_…`` of its front matter) with the line."""
    text = _text(content)
    front = _FRONT.match(text)
    if front is None:
        raise _refuse(_("it must start with front matter between two lines '---'"), 1)
    document = yaml.parse(front.group(1).encode(), FILE, first_line=2)
    if not isinstance(document.value, dict):
        raise _refuse(_("the front matter must be a mapping"), 2)
    _check(document)
    fields = document.value
    return Skill(
        name=fields["name"],
        description=fields["description"].strip(),
        license=fields.get("license", "").strip(),
        body=text[front.end() :],
        metadata=fields.get("metadata", {}),
        compatibility=fields.get("compatibility", "").strip(),
        allowed_tools=fields.get("allowed-tools", "").strip(),
        name_line=document.line(("name",)),
    )


def _text(content: bytes) -> str:
    if len(content) > SIZE_LIMIT:
        raise _refuse(_("it is larger than 256 KiB"), None)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refuse(_("it is not UTF-8 text"), content.count(b"\n", 0, error.start) + 1) from None
    if "\0" in text:
        raise _refuse(_("it holds a NUL character"), text.count("\n", 0, text.index("\0")) + 1)
    return text.replace("\r\n", "\n")


def _check(document: yaml.Document) -> None:
    fields: dict[str, Any] = document.value
    for name in fields:
        if name not in FIELDS:
            why = _("'{name}' is no field of an Agent Skill; they are {fields}")
            raise _refuse(why.format(name=name[:100], fields=", ".join(FIELDS)), document.line((name,)))
    for name in REQUIRED:
        if name not in fields:
            raise _refuse(_("'{name}' is missing").format(name=name), document.line(()) or 2)
    for name, limit in FIELDS.items():
        if name in fields and name != "metadata":
            _check_text(name, fields[name], limit, document.line((name,)))
    if not re.fullmatch(NAME_PATTERN, fields["name"]):
        raise _refuse(_("the name has lower-case letters, digits and single '-' only"), document.line(("name",)))
    metadata = fields.get("metadata", {})
    if not isinstance(metadata, dict):
        raise _refuse(_("'metadata' must be a mapping"), document.line(("metadata",)))
    for name, value in metadata.items():
        _check_text(name, value, 2000, document.line(("metadata", name)))


def _check_text(name: str, value: Any, limit: int, line: int | None) -> None:
    if not isinstance(value, str):
        raise _refuse(_("'{name}' must be text; put it in quotes").format(name=name[:100]), line)
    if not 0 < len(value.strip()) <= limit:
        raise _refuse(_("'{name}' must have 1 to {limit} characters").format(name=name[:100], limit=limit), line)


def _refuse(why: str, line: int | None) -> PackageError:
    return refusal("skill_invalid", why, file=FILE, line=line, advice=_("agentskills.io describes the form."))

"""Hostile YAML into plain JSON values: safe types only, under limits, with the line of every key remembered."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from keiken.errors import PackageError
from keiken.i18n import _

SIZE_LIMIT = 1 << 20
DEPTH_LIMIT = 30
NODE_LIMIT = 50_000
_PREFIX = "tag:yaml.org,2002:"
_PLAIN = {f"{_PREFIX}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}

Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but dates stay text, and only true and false are booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag in _PLAIN and tag != f"{_PREFIX}bool"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first in "tTfF":
    _Loader.yaml_implicit_resolvers.setdefault(_first, []).append(
        (f"{_PREFIX}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"))
    )


@dataclass(frozen=True)
class Document:
    """``value`` is JSON-ready; ``lines`` maps the path of each key or item to its line, counted from 1."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of the path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def parse(content: bytes, file: str) -> Document:
    """Read one document. Raises PackageError with a ``yaml_…`` code, the file and the line."""
    if len(content) > SIZE_LIMIT:
        raise PackageError("yaml_too_large", _("{file} is larger than 1 MiB.").format(file=file), file=file)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise PackageError("yaml_syntax", _("{file} is not UTF-8 text.").format(file=file), file=file) from None
    reader = _Reader(file)
    try:
        return reader.read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise reader.refuse("yaml_syntax", _("it is not valid YAML: {why}").format(why=error.problem), line) from None
    except yaml.YAMLError as error:
        raise reader.refuse("yaml_syntax", _("it is not valid YAML: {why}").format(why=error), None) from None


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.nodes = 0

    def refuse(self, code: str, why: str, line: int | None) -> PackageError:
        where = _("{file}, line {line}").format(file=self.file, line=line) if line else self.file
        return PackageError(code, f"{where}: {why}.", file=self.file, line=line)

    def read(self, text: str) -> Document:
        # Events are looked at before any node is built: aliases and depth cost nothing then.
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise self.refuse("yaml_alias", _("anchors and aliases are not allowed; write it out"), line)
            self.nodes += 1
            if self.nodes > NODE_LIMIT:
                raise self.refuse("yaml_too_large", _("it has more than {n} parts").format(n=NODE_LIMIT), line)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_LIMIT:
                raise self.refuse("yaml_depth", _("it is nested deeper than {n} levels").format(n=DEPTH_LIMIT), line)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return Document(self._build(loader, node, ()) if node else None, self.lines)
        finally:
            loader.dispose()

    def _build(self, loader: _Loader, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if node.tag not in _PLAIN:
            raise self.refuse("yaml_tag", _("the tag {tag} is not allowed").format(tag=node.tag), line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(loader, item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            value = loader.construct_object(node)
        except (ValueError, OverflowError):
            raise self.refuse("yaml_syntax", _("{text} is no number").format(text=node.value[:40]), line) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refuse("yaml_syntax", _("numbers must be finite"), line)
        if isinstance(value, int) and abs(value) > 2**63:
            raise self.refuse("yaml_syntax", _("whole numbers must fit into 64 bits"), line)
        return value

    def _mapping(self, loader: _Loader, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_PREFIX}str":
                raise self.refuse("yaml_key", _("keys must be text; put it in quotes"), line)
            key = key_node.value
            if key in result:
                raise self.refuse("yaml_duplicate_key", _("the key '{key}' stands twice").format(key=key), line)
            self.lines[(*path, key)] = line
            result[key] = self._build(loader, value_node, (*path, key))
        return result

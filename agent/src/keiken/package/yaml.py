"""Hostile YAML into plain JSON values: safe types only, under limits, with the line of every key remembered.

Scalars are read as JSON would read them, so that nobody is surprised: only ``true`` and ``false`` are booleans
(``yes``, ``on`` stay text), dates stay text, and a number is what JSON calls one: ``0644``, ``1_000``, ``12:30``
and ``1e3`` stay text. Whatever PyYAML's safe_dump writes of a JSON value is read back as the same value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package.rules import refusal

SIZE_LIMIT = 256 << 10
DEPTH_LIMIT = 30
NODE_LIMIT = 20_000
_PREFIX = "tag:yaml.org,2002:"
_TEXT, _LIST, _MAPPING = (f"{_PREFIX}{name}" for name in ("str", "seq", "map"))
_SCALARS = (
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"-?(?:0|[1-9][0-9]*)")),
    ("float", re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")),
)
_OLD_LINE_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Line ends for YAML 1.1 and text for YAML 1.2 and JSON: read as either, somebody would read another value."""
_UNPRINTABLE = re.compile(f"{yaml.reader.Reader.NON_PRINTABLE.pattern}|\ufeff")
"""What YAML forbids, and the mark of a text's beginning inside of it, which parsers read differently."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is ten times as quick, and PyYAML's wheels bring it; the one in Python is for who built PyYAML without."""

Path = tuple[str | int, ...]


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


def parse(content: bytes, file: str, *, first_line: int = 1) -> Document:
    """Read one document. Raises PackageError with a ``yaml_…`` code, the file and the line."""
    if len(content) > SIZE_LIMIT:
        raise refusal("yaml_too_large", _("it is larger than 256 KiB"), file=file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + first_line
        raise refusal("yaml_syntax", _("it is not UTF-8 text"), file=file, line=line) from None
    if breaking := _OLD_LINE_BREAKS.search(text):
        why = _(
            "the character U+{code:04X} must be written as an escape in double quotes: YAML takes it for a line end"
        )
        line = text.count("\n", 0, breaking.start()) + first_line
        raise refusal("yaml_character", why.format(code=ord(breaking.group())), file=file, line=line)
    if unprintable := _UNPRINTABLE.search(text):
        why = _("the character U+{code:04X} is not allowed in YAML").format(code=ord(unprintable.group()))
        line = text.count("\n", 0, unprintable.start()) + first_line
        raise refusal("yaml_character", why, file=file, line=line)
    reader = _Reader(file, first_line)
    try:
        return reader.read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        code = "yaml_character" if "Unicode character escape" in str(error.problem) else "yaml_syntax"
        why = _("it is not valid YAML: {why}").format(why=error.problem or error.context)
        raise refusal(code, why, file=file, line=mark.line + first_line if mark else None) from None
    except OverflowError:  # the one in Python, of an escape beyond the last character
        why = _("it is not valid YAML: {why}").format(why="found invalid Unicode character escape code")
        raise refusal("yaml_character", why, file=file) from None


class _Reader:
    """Builds values straight from the events: nothing is ever built that a limit would refuse."""

    def __init__(self, file: str, first_line: int) -> None:
        self.file = file
        self.first_line = first_line
        self.lines: dict[Path, int] = {}
        self.nodes = 0

    def refuse(self, code: str, why: str, event: yaml.Event) -> PackageError:
        return refusal(code, why, file=self.file, line=self._line(event))

    def _line(self, event: yaml.Event) -> int:
        assert event.start_mark is not None
        return event.start_mark.line + self.first_line

    def read(self, text: str) -> Document:
        events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        value = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refuse("yaml_syntax", _("only one document is allowed"), event)
                value = self._value(next(events), events, ())
        return Document(value, self.lines)

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> Any:
        self._count(event, len(path))
        self.lines.setdefault(path, self._line(event))
        if isinstance(event, yaml.MappingStartEvent):
            self._check_tag(event, _MAPPING)
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event, _LIST)
            return self._sequence(events, path)
        assert isinstance(event, yaml.ScalarEvent)
        return self._scalar(event)

    def _count(self, event: yaml.Event, depth: int) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self.refuse("yaml_alias", _("anchors and aliases are not allowed; write it out"), event)
        self.nodes += 1
        if self.nodes > NODE_LIMIT:
            raise self.refuse("yaml_too_large", _("it has more than {n} parts").format(n=NODE_LIMIT), event)
        if depth > DEPTH_LIMIT:
            raise self.refuse("yaml_depth", _("it is nested deeper than {n} levels").format(n=DEPTH_LIMIT), event)

    def _check_tag(self, event: yaml.CollectionStartEvent, allowed: str) -> None:
        if event.tag not in (None, "!", allowed):
            raise self._bad_tag(event)

    def _bad_tag(self, event: yaml.CollectionStartEvent | yaml.ScalarEvent) -> PackageError:
        return self.refuse("yaml_tag", _("the tag {tag} is not allowed").format(tag=str(event.tag)[:100]), event)

    def _mapping(self, events: Iterator[yaml.Event], path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            self._count(event, len(path))
            key = self._scalar(event) if isinstance(event, yaml.ScalarEvent) else None
            if not isinstance(key, str):
                raise self.refuse("yaml_key", _("keys must be text; put it in quotes"), event)
            if key in result:
                raise self.refuse("yaml_duplicate_key", _("the key '{key}' stands twice").format(key=key[:100]), event)
            self.lines[(*path, key)] = self._line(event)
            result[key] = self._value(next(events), events, (*path, key))
        return result

    def _sequence(self, events: Iterator[yaml.Event], path: Path) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            result.append(self._value(event, events, (*path, len(result))))
        return result

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if _UNSTORABLE.search(event.value):
            raise self.refuse("yaml_character", _("text may not hold NUL or half of a surrogate pair"), event)
        is_plain = not event.style and event.tag is None
        kind = _kind(event.value) if is_plain or event.tag not in (None, "!", _TEXT) else "str"
        if event.tag not in (None, "!", f"{_PREFIX}{kind}"):
            raise self._bad_tag(event)
        return self._converted(kind, event)

    def _converted(self, kind: str, event: yaml.ScalarEvent) -> Any:
        text = event.value
        if kind == "int":
            # Python refuses to read numbers of thousands of digits, so the length comes first.
            if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
                raise self.refuse("yaml_number", _("whole numbers must fit into 64 bits"), event)
            return int(text)
        if kind == "float":
            value = float(text.replace(".", "", 1) if text.lower().endswith(("inf", "nan")) else text)
            if not math.isfinite(value):
                raise self.refuse("yaml_number", _("numbers must be finite"), event)
            return value
        return {"null": None, "bool": text[:1] in ("t", "T")}.get(kind, text)


def _kind(text: str) -> str:
    return next((name for name, pattern in _SCALARS if pattern.fullmatch(text)), "str")

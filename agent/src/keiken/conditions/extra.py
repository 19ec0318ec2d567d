"""``keiken-facts.yaml``: facts an organization adds, stated or asked of a command.

    acme.region: tokyo
    acme.rack: [a1, a2]
    acme.agent: {command: [acme-agent, --version], pattern: "version ([0-9.]+)"}

The file belongs to whoever runs the machine, never to a package: its commands are carried out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from keiken.conditions.predicates import fact_problem
from keiken.conditions.vocabulary import RESERVED, Fact
from keiken.errors import UsageError
from keiken.i18n import _

SIZE_LIMIT = 64 << 10
WORDS_LIMIT = 50
SEARCHED_CHARACTERS = 10_000


@dataclass(frozen=True)
class Extra:
    """Either a ``value``, or a ``command`` whose output's first match of ``pattern`` is the value."""

    key: str
    value: Fact = None
    command: tuple[str, ...] | None = None
    pattern: str = ".+"


@dataclass(frozen=True)
class _Place:
    path: Path
    line: int | None = None

    def refuse(self, code: str, why: str) -> UsageError:
        where = _("{file}, line {line}").format(file=self.path, line=self.line) if self.line else str(self.path)
        advice = _("docs/conditions.md shows the form of this file.")
        return UsageError(code, f"{where}: {why}.", advice, {"file": str(self.path), "line": self.line})


def read_extra(path: Path, read: Callable[[Path], bytes]) -> list[Extra]:
    """Raises UsageError ``facts_unreadable`` or ``facts_invalid`` that names the file, the line and the key."""
    try:
        content = read(path)
    except OSError as error:
        raise _Place(path).refuse("facts_unreadable", str(error.strerror)) from None
    if len(content) > SIZE_LIMIT:
        raise _Place(path).refuse("facts_invalid", _("it is larger than 64 KiB"))
    return list(_extras(path, content))


def _extras(path: Path, content: bytes) -> Iterable[Extra]:
    loader = None
    try:
        loader = yaml.SafeLoader(content.decode("utf-8"))
        root = loader.get_single_node()
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise _Place(path, 1).refuse("facts_invalid", _("it must be a mapping of facts"))
        seen: set[str] = set()
        for key_node, value_node in root.value if root is not None else ():
            place = _Place(path, key_node.start_mark.line + 1)
            key = str(loader.construct_object(key_node, deep=True))
            if key in seen:
                raise place.refuse("facts_invalid", _("{key} stands twice").format(key=key))
            seen.add(key)
            yield _extra(place, key, loader.construct_object(value_node, deep=True))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        why = _("it is not valid YAML: {why}").format(why=getattr(error, "problem", None) or error)
        raise _Place(path, mark.line + 1 if mark else None).refuse("facts_invalid", why) from None
    finally:
        if loader is not None:
            loader.dispose()


def _extra(place: _Place, key: str, value: Any) -> Extra:
    if key.partition(".")[0] in RESERVED:
        why = _("{key}: this prefix is probed; use one of your own, as in acme.region").format(key=key)
        raise place.refuse("facts_invalid", why)
    if not isinstance(value, dict):
        stated = _("{key} has no value").format(key=key) if value is None else fact_problem(key, value)
        if stated:
            raise place.refuse("facts_invalid", stated)
        return Extra(key, value)
    if problem := fact_problem(key, "") or _command_problem(value):
        raise place.refuse("facts_invalid", f"{key}: {problem}" if key not in problem else problem)
    return Extra(key, command=tuple(value["command"]), pattern=value.get("pattern", ".+"))


def _command_problem(value: dict[Any, Any]) -> str | None:
    if not set(value) <= {"command", "pattern"}:
        return _("only 'command' and 'pattern' are known")
    command, pattern = value.get("command"), value.get("pattern", ".+")
    if not isinstance(command, list) or not 0 < len(command) <= WORDS_LIMIT:
        return _("'command' is a list of words")
    if not all(isinstance(word, str) and "\0" not in word for word in command) or not command[0]:
        return _("'command' is a list of words; put numbers in quotes")
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        return _("'pattern' is no regular expression: {why}").format(why=error)
    return None


def probe_extra(extras: Iterable[Extra], run: Callable[[Sequence[str]], tuple[int, str]]) -> dict[str, Fact]:
    """The facts; None where a command fails or its output does not match."""
    facts: dict[str, Fact] = {}
    for extra in extras:
        if extra.command is None:
            facts[extra.key] = extra.value
            continue
        code, text = run(extra.command)
        found = re.search(extra.pattern, text[:SEARCHED_CHARACTERS], re.M) if code == 0 else None
        facts[extra.key] = (found.group(1) if found.re.groups else found.group()) if found else None
    return facts

"""``keiken-facts.yaml``: facts an organization adds, stated or asked of a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from keiken.conditions.predicates import KEY, Fact
from keiken.errors import UsageError
from keiken.i18n import _

TAKEN = ("os.", "tool.", "python.", "host.", "locale.", "network.")


@dataclass(frozen=True)
class Extra:
    """Either a ``value``, or a ``command`` whose output's first match of ``pattern`` is the value."""

    key: str
    value: Fact = None
    command: tuple[str, ...] | None = None
    pattern: str = ".+"


def read_extra(path: Path) -> list[Extra]:
    """Raises UsageError naming the file and the key at fault."""
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError("facts_unreadable", f"{path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError("facts_invalid", _("{path} is not valid YAML: {why}.").format(path=path, why=error)) from None
    if not isinstance(document, dict):
        raise UsageError("facts_invalid", _("{path} must be a mapping of facts.").format(path=path))
    return [_extra(path, str(key), value) for key, value in document.items()]


def _extra(path: Path, key: str, value: Any) -> Extra:
    if not KEY.match(key) or key.startswith(TAKEN):
        raise _refuse(path, key, _("use a prefix of your own, as in acme.region"))
    if not isinstance(value, Mapping):
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float | bool) for item in items):
            raise _refuse(path, key, _("a fact is text, a number, true or false, or a list of these"))
        return Extra(key, value)
    command, pattern = value.get("command"), value.get("pattern", ".+")
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise _refuse(path, key, _("'command' is a list of words"))
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise _refuse(path, key, _("'pattern' is no regular expression: {why}").format(why=error)) from None
    return Extra(key, command=tuple(command), pattern=pattern)


def _refuse(path: Path, key: str, why: str) -> UsageError:
    return UsageError("facts_invalid", f"{path}: {key}: {why}.")

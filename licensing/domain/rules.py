"""What terms say beyond their uses, so that a machine can read it. The text decides; these must say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

AUDIENCES: Final = ("organization", "affiliates")
LONGEST: Final = 500
MOST: Final = 50
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


class RulesMalformed(ValueError):
    """``field`` names which."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Empty means: the terms limit or ask nothing of the kind."""

    audience: Literal["organization", "affiliates"] = "organization"
    """Who belongs to the licensee: the organization alone, or also companies under the same control."""
    territory: tuple[str, ...] = ()
    """Countries (ISO 3166-1 alpha-2); empty is the whole world."""
    fields_of_use: tuple[str, ...] = ()
    """What for, in a few words each, like ``internal operations``."""
    attribution: str = ""
    """Who must be named where."""
    is_confidential: bool = False
    """What is received is kept to those who need it."""
    warranty: str = ""
    liability: str = ""
    support_contact: str = ""
    """An e-mail address or an https address."""

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "territory": list(self.territory), "fields_of_use": list(self.fields_of_use)}


NO_RULES: Final = Rules()


def read_rules(document: Mapping[str, Any]) -> Rules:
    """From JSON, checked. Raises RulesMalformed naming the field."""
    unknown = sorted(set(document) - {field.name for field in fields(Rules)})
    if unknown:
        raise RulesMalformed(unknown[0][:60])
    found = Rules(
        audience=document.get("audience") or "organization",
        territory=_words(document, "territory"),
        fields_of_use=_words(document, "fields_of_use"),
        attribution=_line(document, "attribution"),
        is_confidential=document.get("is_confidential", False),
        warranty=_line(document, "warranty"),
        liability=_line(document, "liability"),
        support_contact=_line(document, "support_contact"),
    )
    if found.audience not in AUDIENCES:
        raise RulesMalformed("audience")
    if not isinstance(found.is_confidential, bool):
        raise RulesMalformed("is_confidential")
    if not all(_COUNTRY.fullmatch(code) for code in found.territory):
        raise RulesMalformed("territory")
    if found.support_contact and not _is_contact(found.support_contact):
        raise RulesMalformed("support_contact")
    return found


def _is_contact(text: str) -> bool:
    if text.startswith("https://"):
        return len(text) > len("https://") and " " not in text
    name, _at, host = text.partition("@")
    return bool(name) and "." in host and " " not in text


def _words(document: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """A set as a sorted list, so that the same rules are the same document."""
    given = document.get(field) or ()
    if isinstance(given, str) or not all(isinstance(item, str) for item in given) or len(given) > MOST:
        raise RulesMalformed(field)
    return tuple(sorted({_checked(item, field) for item in given if item.strip()}))


def _line(document: Mapping[str, Any], field: str) -> str:
    given = document.get(field) or ""
    if not isinstance(given, str):
        raise RulesMalformed(field)
    return _checked(given, field)


def _checked(text: str, field: str) -> str:
    line = text.strip()
    if len(line) > LONGEST or not line.isprintable():
        raise RulesMalformed(field)
    return line

"""JSON from strangers: bounded, strict, and free of what the database could not keep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from accounts.domain.refusals import TooLarge

JSON_MAX_BYTES: Final = 4 << 20
DEPTH_MAX: Final = 64


class BoundedJSONParser(JSONParser):
    """Refuses bodies above 4 MiB, too deep nesting, NUL characters, lone surrogates and infinite numbers."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        raw = stream.read(JSON_MAX_BYTES + 1)
        if len(raw) > JSON_MAX_BYTES:
            raise TooLarge(
                "body_too_large",
                _("The JSON document is larger than {limit} bytes.").format(limit=JSON_MAX_BYTES),
                _("Send less: outputs of steps are cut to their last 4,000 characters."),
                {"limit_bytes": JSON_MAX_BYTES},
            )
        return parse_json(raw)


def parse_json(raw: bytes | str) -> Any:
    """The value, or ParseError with one sentence on what is wrong."""
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
        _refuse_unstorable(value)
    except RecursionError:
        raise ParseError(_("The JSON document is nested too deeply.")) from None
    except (UnicodeError, ValueError) as error:
        raise ParseError(_("The body is no valid JSON: {error}.").format(error=str(error)[:200])) from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _refuse_unstorable(value: Any) -> None:
    """What jsonb would refuse, and nesting that would exhaust somebody's stack later. Raises ValueError."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise ValueError(f"nested more than {DEPTH_MAX} levels")
        if isinstance(item, str):
            _refuse_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("a number is too large")
        elif isinstance(item, dict):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]


def _refuse_text(text: str) -> None:
    if "\x00" in text:
        raise ValueError("a text contains the character NUL")
    if not text.isascii():
        text.encode()

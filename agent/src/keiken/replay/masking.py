"""Secrets never leave: their values, and the forms programs commonly turn them into, are masked in all that is kept."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus


class Mask:
    """Replaces every known form of every secret by ``[secret NAME]``."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        forms: dict[str, str] = {}
        for name, value in secrets.items():
            forms |= dict.fromkeys(_forms(value), f"[secret {name}]")
        self._forms = forms
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._forms[match.group()], text)

    def value(self, value: Any) -> Any:
        """The same for JSON: texts at any depth, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "replace"))
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _forms(value: str) -> set[str]:
    raw = value.encode()
    forms = {value, quote(value), quote(value, safe=""), quote_plus(value), shlex.quote(value), json.dumps(value)[1:-1]}
    forms |= {raw.hex(), raw.hex().upper(), value[::-1]}
    for shift in range(3):
        # Base64 depends on where in a group of three bytes a text starts; only what is sure to be the same is sought.
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        sure = encoded[(0, 2, 3)[shift] : (len(raw) + shift) // 3 * 4]
        if len(sure) >= 6:
            forms |= {sure, sure.replace("+", "-").replace("/", "_")}
    forms |= {line for line in value.splitlines() if len(line) >= 8}
    return {form for form in forms if len(form) >= 4}

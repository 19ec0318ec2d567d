"""Secrets and personal data, found by shape or by value, never reach the draft: they become named secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

SHAPES: tuple[tuple[str, str], ...] = (
    ("private_key", r"-----BEGIN (?:[A-Z ]+ )?PRIVATE KEY-----[\s\S]*?-----END (?:[A-Z ]+ )?PRIVATE KEY-----"),
    ("aws_key", r"\bAKIA[0-9A-Z]{16}\b"),
    ("github_token", r"\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_[A-Za-z0-9_]{20,}\b"),
    ("slack_token", r"\bxox[baprs]-[A-Za-z0-9-]{10,}\b"),
    ("stripe_key", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}\b"),
    ("keiken_key", r"\bkk_[a-z0-9]{6,}_[A-Za-z0-9]{16,}\b"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\b"),
    ("bearer_token", r"(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"),
    ("url_password", r"(?<=://)[^\s/:@]+:([^\s/@]{3,})(?=@)"),
    (
        "password",
        r"(?i)(?<![a-z])(?:password|passwd|pwd|secret|token|api[_-]?key)(?:\s*[=:]\s*|\s+)"
        r"['\"]?([^\s'\"$]{6,})['\"]?",
    ),
    ("email", r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"),
)
_WORD = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
ENTROPY_BITS = 4.2
"""For words of 24 characters or more: random base64 has about 5, hexadecimal digests 3.8, words of a language less."""


class Redactor:
    """Remembers each secret it finds, so that the same one has the same name everywhere."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._names: dict[str, str] = {value: name for name, value in (known or {}).items() if value}

    @property
    def names(self) -> list[str]:
        return sorted(set(self._names.values()))

    def look(self, text: str) -> None:
        """Learn the secrets in a text. Look at everything before the first ``redact``."""
        for kind, pattern in SHAPES:
            for match in re.finditer(pattern, text):
                self._learn(kind, match.group(match.lastindex or 0))
        for word in _WORD.findall(text):
            if _entropy(word) > ENTROPY_BITS and re.search(r"\d", word) and re.search(r"[A-Za-z]", word):
                self._learn("secret", word)

    def redact(self, text: str) -> str:
        """The text with ``[secret NAME]`` in the place of each."""
        return self.replace(text, lambda name: f"[secret {name}]")

    def replace(self, text: str, form: Callable[[str], str]) -> str:
        """The text with ``form(name)`` in the place of each."""
        for value in sorted(self._names, key=len, reverse=True):
            if value in text:
                text = text.replace(value, form(self._names[value]))
        return text

    def _learn(self, kind: str, value: str) -> None:
        if value in self._names or any(value in known or known in value for known in self._names):
            return
        taken, number = set(self._names.values()), 1
        name = kind
        while name in taken:
            number += 1
            name = f"{kind}_{number}"
        self._names[value] = name


def _entropy(text: str) -> float:
    return -sum(share * math.log2(share) for share in (text.count(c) / len(text) for c in set(text)))

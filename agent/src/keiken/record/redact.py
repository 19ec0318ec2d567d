"""Secrets and personal data, found by shape or by value, never reach the draft: they become named secrets."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping

from keiken.package.review import SECRETS
from keiken.replay.masking import SHORTEST, Mask

_VALUE = r"(?:\"((?:[^\"\\\n]|\\.){4,})\"|'([^'\n]{4,})'|([^\s'\"$;|&<>]{6,}))"
SHAPES: tuple[tuple[str, str], ...] = (
    ("private_key", r"-----BEGIN (?:[A-Z ]+ )?PRIVATE KEY-----[\s\S]*?-----END (?:[A-Z ]+ )?PRIVATE KEY-----"),
    ("aws_key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("github_token", r"\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_[A-Za-z0-9_]{20,}\b"),
    ("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    ("google_key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("slack_token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("stripe_key", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}\b"),
    ("model_key", r"\bsk-[A-Za-z0-9_-]{16,}"),
    ("npm_token", r"\bnpm_[A-Za-z0-9]{30,}\b"),
    ("pypi_token", r"\bpypi-[A-Za-z0-9_-]{16,}"),
    ("keiken_key", r"\bkk_[a-z0-9]{6,}_[A-Za-z0-9]{16,}\b"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}"),
    ("bearer_token", r"(?i:\bbearer )([A-Za-z0-9._~+/=-]{8,})"),
    ("basic_token", r"(?i:\bbasic )([A-Za-z0-9+/=]{8,})"),
    ("url_password", r"(?<=://)[^\s/:@]*:([^\s/@]{4,})(?=@)"),
    (
        "password",
        r"(?i)(?<![a-z])(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key)"
        rf"['\"]?[ \t]*[=:][ \t]*{_VALUE}",
    ),
    ("password", rf"(?i)--?(?:[a-z]+-)*(?:password|passwd|passphrase|secret|token|api-?key|key)[ \t]+{_VALUE}"),
    ("email", r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"),
)
_NAMED_LIKE_A_SECRET = re.compile(
    r"(?i)(?:passw(?:or)?d|passphrase|secret|token|credential|api_?key|access_?key|_key$|_pat$)"
)
_WORD = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
ENTROPY_BITS = 4.2
"""For words of 24 characters or more: random base64 has about 5, hexadecimal digests 3.8, words of a language less."""


def environment_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Values of variables whose names say that they are secret, by the name a package can give them."""
    found = {}
    for variable, value in environ.items():
        name = secret_name(variable.removeprefix("KEIKEN_SECRET_"))
        is_path = value.startswith("/") and value.count("/") > 1
        if name and _NAMED_LIKE_A_SECRET.search(variable) and not is_path and len("".join(value.split())) >= 6:
            found[name] = value
    return found


def secret_name(text: str) -> str:
    """The text as the name of a secret; empty where it cannot be one."""
    name = text.lower().replace("-", "_")
    return name if re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) else ""


def certain_secret(text: str) -> int | None:
    """The line of the first thing that can only be a secret, by the same shapes that refuse a publication."""
    starts = [match.start() for pattern in SECRETS.values() if (match := re.search(pattern, text))]
    return text.count("\n", 0, min(starts)) + 1 if starts else None


class Redactor:
    """Remembers each secret it finds, so that the same one has the same name everywhere."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self.known: dict[str, str] = {name: value for name, value in (known or {}).items() if value}
        self._names: dict[str, str] = {value: name for name, value in self.known.items()}
        self._mask: Mask | None = None

    @property
    def names(self) -> list[str]:
        return sorted(set(self._names.values()))

    @property
    def secrets(self) -> dict[str, str]:
        """Values by name."""
        return {name: value for value, name in self._names.items()}

    def look(self, text: str) -> None:
        """Learn the secrets in a text. Look at everything before the first ``redact`` that is kept."""
        for kind, pattern in SHAPES:
            for match in re.finditer(pattern, text):
                self._learn(kind, next((group for group in match.groups() if group), match.group()))
        for word in _WORD.findall(text):
            if _entropy(word) > ENTROPY_BITS and re.search(r"\d", word) and re.search(r"[A-Za-z]", word):
                self._learn("secret", word)

    def redact(self, text: str) -> str:
        """The text with ``[secret NAME]`` in the place of each, also where it is quoted, escaped or encoded."""
        if self._mask is None:
            self._mask = Mask(self.secrets)
        return self._mask.text(text)

    def name_of(self, value: str) -> str:
        return self._names.get(value, "")

    def names_in(self, text: str) -> set[str]:
        """The names of the secrets that a text holds in any form."""
        before = set(re.findall(r"\[secret ([a-z0-9_]+)\]", text))
        return set(re.findall(r"\[secret ([a-z0-9_]+)\]", self.redact(text))) - before

    def found_in(self, text: str) -> bool:
        return self.redact(text) != text

    def forms(self) -> dict[str, str]:
        """What a shell reads as a secret, as it may be typed, to its name: the value itself and the value quoted."""
        found = dict(self._names)
        for value, name in self._names.items():
            found.setdefault(shlex.quote(value), name)
            found.setdefault(re.sub(r"[\\$`\"]", r"\\\g<0>", value), name)
        return found

    def _learn(self, kind: str, value: str) -> None:
        if value in self._names or len("".join(value.split())) < SHORTEST or value.startswith("[secret"):
            return
        taken, number = set(self._names.values()), 1
        name = kind
        while name in taken:
            number += 1
            name = f"{kind}_{number}"
        self._names[value] = name
        self._mask = None


def _entropy(text: str) -> float:
    return -sum(share * math.log2(share) for share in (text.count(c) / len(text) for c in set(text)))

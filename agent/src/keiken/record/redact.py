"""Secrets and personal data, found by shape or by value, never reach the draft: they become named secrets."""

from __future__ import annotations

import bisect
import math
import re
import shlex
from collections.abc import Mapping

from keiken.package.review import SECRETS
from keiken.replay.masking import SHORTEST, Mask

_VALUE = r"(?:\"((?:[^\"\\\n]|\\.){4,})\"|'([^'\n]{4,})'|([^\s'\"$;|&<>]{6,}))"
_PEM = r"-----{} (?:[A-Z]{{1,20}} ){{0,3}}PRIVATE KEY-----"
_WORDS_OF_SECRETS = "password|passwd|passphrase|secret|token|(?:api|access|secret)-?key"
_EXAMPLE = r"(?:[\w-]{1,63}\.){0,8}(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)(?![\w-]|\.\w)"
"""Names that are reserved for examples (RFC 2606): nobody's address."""
SHAPES: tuple[tuple[str, str], ...] = (
    # Also where only one end of it was printed.
    ("private_key", rf"{_PEM.format('BEGIN')}(?:[\s\S]{{0,20000}}?{_PEM.format('END')}|(?:\s+[A-Za-z0-9+/=]{{16,}})+)"),
    ("private_key", rf"(?m:^[A-Za-z0-9+/=]{{16,100}}\s+){{1,100}}{_PEM.format('END')}"),
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
        r"(?i)(?:password|passwd|passphrase|(?<![a-z])pwd(?=[^/]{1,6}[^\s/])|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key)"
        rf"['\"]?[ \t]*[=:][ \t]*{_VALUE}",
    ),
    ("password", rf"(?i)--?(?:[a-z]{{1,20}}-){{0,4}}(?:{_WORDS_OF_SECRETS})[ \t]+{_VALUE}"),
    ("email", rf"\b(?!git@)[A-Za-z0-9._%+-]{{1,64}}@(?!{_EXAMPLE})(?:[A-Za-z0-9-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}\b"),
)
_NAMED_LIKE_A_SECRET = re.compile(
    r"(?i)(?:passw(?:or)?d|passphrase|secret|token|credential|api_?key|access_?key|_key$|_pat$)"
)
_WORD = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
ENTROPY_BITS = 4.2
"""For words of 24 characters or more: random base64 has about 5, hexadecimal digests 3.8, words of a language less."""

LEARNED_LIMIT = 200
"""Of secrets known by name: each has dozens of forms, and every text is searched for all of them."""


def environment_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Values of variables whose names say that they are secret, by the name a package can give them."""
    found = {}
    for variable, value in environ.items():
        name = secret_name(variable.removeprefix("KEIKEN_SECRET_"))
        is_path = value.startswith("/") and value.count("/") > 1
        # Like POSTGRES_PASSWORD=postgres: no secret, and masking it would tear up every text about the thing.
        is_its_name = value.lower() in variable.lower()
        is_long = len("".join(value.split())) >= 6
        if name and _NAMED_LIKE_A_SECRET.search(variable) and is_long and not (is_path or is_its_name):
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
        """Learn the secrets in what was typed. Look at everything before the first ``redact`` that is kept."""
        for kind, start, end in _found(text):
            self._learn(kind, text[start:end])

    def look_at_output(self, text: str) -> None:
        """Learn what an output calls a secret. A program can print any number of random words and addresses; these
        have no meaning elsewhere, and ``scrub`` finds them again."""
        for kind, start, end in _found(text):
            if kind not in ("secret", "email") and len(self._names) < LEARNED_LIMIT:
                self._learn(kind, text[start:end])

    def redact(self, text: str) -> str:
        """The text with ``[secret NAME]`` in the place of each, also where it is quoted, escaped or encoded."""
        if self._mask is None:
            self._mask = Mask(self.secrets)
        return self._mask.text(text)

    def scrub(self, text: str) -> str:
        """``redact``, and ``[secret KIND]`` in the place of whatever else looks like a secret or an address."""
        text = self.redact(text)
        parts, last = [], 0
        for kind, start, end in sorted(_found(text), key=lambda found: (found[1], -found[2])):
            if start >= last and not text.startswith("[secret ", start):
                parts += [text[last:start], f"[secret {kind}]"]
                last = end
        return "".join([*parts, text[last:]])

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


def _found(text: str) -> list[tuple[str, int, int]]:
    """Kind, start and end of what looks like a secret."""
    found = []
    for kind, pattern in SHAPES:
        for match in re.finditer(pattern, text):
            group = next((number for number, one in enumerate(match.groups(), 1) if one), 0)
            found.append((kind, *match.span(group)))
    # What the shapes have told more exactly is not told again.
    taken = sorted((start, end) for _kind, start, end in found)
    others = [match for pattern in SECRETS.values() for match in re.finditer(pattern, text)]
    others += [match for match in _WORD.finditer(text) if _is_random(match.group())]
    found += [("secret", *match.span()) for match in others if not _overlaps(*match.span(), taken)]
    return found


def _overlaps(start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    """Whether it overlaps one of the sorted spans, none of which is expected to hold many others."""
    index = bisect.bisect_left(spans, (end, 0))
    return any(start < other_end for _start, other_end in spans[max(0, index - 8) : index])


def _is_random(word: str) -> bool:
    """Paths and names of several words have many different characters too; random ones mix capitals in."""
    if not (re.search(r"\d", word) and re.search(r"[A-Za-z]", word) and _entropy(word) > ENTROPY_BITS):
        return False
    return len(re.findall(r"[/_-]", word)) < 2 or bool(re.search(r"[a-z]", word) and re.search(r"[A-Z]", word))


def _entropy(text: str) -> float:
    return -sum(share * math.log2(share) for share in (text.count(c) / len(text) for c in set(text)))

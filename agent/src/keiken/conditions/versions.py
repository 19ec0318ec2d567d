"""Versions as programs and vendors write them, made comparable, and PEP 440 ranges over them.

Normalisation, in this order; what is left over does not count:

* an epoch (``1:9.2``) and everything before the first dotted number goes: ``nginx/1.22.1``, ``git version 2.39.5``,
  ``go1.21.3`` and ``v20.20.2`` are 1.22.1, 2.39.5, 1.21.3 and 20.20.2; else the first number counts;
* ``rc``, ``beta``, ``alpha``, ``a``, ``b``, ``pre`` or ``dev`` with a number is a pre-release, also after ``~`` as
  Debian writes it: ``3.13.0rc1``, ``1.2~beta2-1``;
* ``p``, ``patch``, ``post``, ``u`` or ``_`` with a number is a patch on top, written as a post-release: ``9.5p1`` is
  9.5.post1, ``1.8.0_392`` is 1.8.0.post392; a single letter is the patch of that place in the alphabet, as OpenSSL
  counted: ``1.1.1w`` is 1.1.1.post23;
* a vendor's revision does not count: ``3.0.15-1+deb12u1``, ``5.37.1-2``, ``6.1.0-28-amd64`` are 3.0.15, 5.37.1, 6.1.0.

The same holds for the versions in a range, so ``>=1.1.1w`` means what it says. As PEP 440 has it, ``<4`` leaves out
the pre-releases of 4 and ``>1.1.1`` leaves out its patches; ``>=`` and ``<=`` do not.
"""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

TEXT_LIMIT = 200
_DOTTED = re.compile(r"(?<![\d.])\d{1,12}(?:\.\d{1,12}){1,8}", re.A)
_NUMBER = re.compile(r"(?<![\d.])\d{1,12}(?!\d)", re.A)
_EPOCH = re.compile(r"^\s*\d+:(?=\d)", re.A)
_PRE = re.compile(r"[-_.~]?(alpha|a|beta|b|preview|pre|rc|c|dev)[-_.]?(\d{1,9})(?!\d)", re.I | re.A)
_PATCH = re.compile(r"[-. ]?(?:post|patchlevel|patch|p|u)[-_. ]?(\d{1,9})(?!\d)|_(\d{1,9})(?!\d)", re.I | re.A)
_LETTER = re.compile(r"([a-z])(?![a-z0-9])", re.I)
_CLAUSE = re.compile(r"^(==|!=|~=|>=|<=|>|<)\s*([0-9][0-9A-Za-z.+~_-]{0,60})(\.\*)?$")


@lru_cache(maxsize=4096)
def normal_version(text: str) -> Version | None:
    """The version in what a program or a vendor calls one; None where there is none. Never raises."""
    text = _EPOCH.sub("", text[:TEXT_LIMIT])
    match = _DOTTED.search(text) or _NUMBER.search(text)
    if match is None:
        return None
    rest = text[match.end() :]
    suffix = ""
    if pre := _PRE.match(rest):
        word = pre.group(1).lower()
        suffix = f".dev{pre.group(2)}" if word == "dev" else f"{word}{pre.group(2)}"
    elif patch := _PATCH.match(rest):
        suffix = f".post{patch.group(1) or patch.group(2)}"
    elif letter := _LETTER.match(rest):
        suffix = f".post{ord(letter.group(1).lower()) - ord('a') + 1}"
    return Version(match.group() + suffix)


def is_range(text: str) -> bool:
    return text.lstrip()[:1] in ("<", ">", "=", "!", "~") and text.lstrip()[:2] != ""


def clauses(text: str) -> list[tuple[str, str]]:
    """Operator and version (or number) of each part. Raises ValueError with the part that cannot be read."""
    found = []
    for part in text.split(","):
        match = _CLAUSE.fullmatch(part.strip())
        if match is None or (match.group(3) and match.group(1) not in ("==", "!=")):
            raise ValueError(part.strip())
        found.append((match.group(1), match.group(2) + (match.group(3) or "")))
    return found


@lru_cache(maxsize=4096)
def specifier(text: str) -> SpecifierSet:
    """The range with its versions normalised. Raises ValueError with the part that cannot be read."""
    parts = []
    for operator, version in clauses(text):
        wildcard = ".*" if version.endswith(".*") else ""
        normal = normal_version(version.removesuffix(".*"))
        if normal is None or not version[0].isdigit():
            raise ValueError(f"{operator}{version}")
        parts.append(f"{operator}{normal}{wildcard}")
    try:
        return SpecifierSet(",".join(parts))
    except InvalidSpecifier:
        raise ValueError(text) from None


def in_range(version: str, text: str) -> bool:
    """Whether what a program calls its version lies in the range."""
    found = normal_version(version)
    return found is not None and specifier(text).contains(found, prereleases=True)

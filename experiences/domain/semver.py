"""Which of two versions comes first, as semver.org 2.0.0 (section 11) orders them."""

from __future__ import annotations

Precedence = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def precedence(version: str) -> Precedence:
    """Sorts by value: numbers as numbers, a pre-release before its release, build data not at all.

    ``version`` is a valid SemVer text; the manifest's schema has seen to that.
    """
    core, _plus, _build = version.partition("+")
    release, is_pre, identifiers = core.partition("-")
    parts = identifiers.split(".") if is_pre else []
    return tuple(map(int, release.split("."))), not is_pre, tuple(map(_identifier, parts))


def _identifier(text: str) -> tuple[bool, int, str]:
    """Numbers by value and before words; words by their characters."""
    return (False, int(text), "") if text.isdigit() else (True, 0, text)

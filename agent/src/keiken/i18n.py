"""The agent's user-facing texts, in English and Japanese (gettext, domain ``keiken``)."""

from __future__ import annotations

import gettext
import os
from functools import cache
from pathlib import Path

_LOCALES = Path(__file__).parent / "locale"


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    return gettext.translation("keiken", _LOCALES, languages=[language], fallback=True)


def language() -> str:
    """``ja`` or ``en``: the first of KEIKEN_LANGUAGE, LC_ALL, LC_MESSAGES and LANG that is set decides."""
    for name in ("KEIKEN_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ja" if value.lower().startswith("ja") else "en"
    return "en"


def _(message: str) -> str:
    """The message in the person's language; the English text itself where there is no translation."""
    return _catalog(language()).gettext(message)

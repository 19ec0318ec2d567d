"""Splitting texts into words that can be searched: PostgreSQL stems English, we cut Chinese, Japanese and Korean."""

from __future__ import annotations

import re
import unicodedata

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff々ー]+")
QUERY_CHARACTERS = 400


def indexed(text: str) -> str:
    """The text with each run of CJK characters as its pairs and single characters, every one a word of its own."""
    normal = _normal(text)
    words = [word for run in _CJK.findall(normal) for word in (*_pairs(run), *(run if len(run) > 1 else ""))]
    return " ".join([_CJK.sub(" ", normal), *words])


def query_words(text: str) -> tuple[str, list[str]]:
    """What to stem, and the CJK words that must all be there. At most 400 characters are looked at."""
    normal = _normal(text[:QUERY_CHARACTERS])
    pairs = [pair for run in _CJK.findall(normal) for pair in _pairs(run)]
    return " ".join(_CJK.sub(" ", normal).split()), list(dict.fromkeys(pairs))


def _normal(text: str) -> str:
    """Full-width letters, ligatures and case do not matter; NUL is nothing a database can be asked for."""
    return unicodedata.normalize("NFKC", text).casefold().replace("\0", " ")


def _pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)] or [run]

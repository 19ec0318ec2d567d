"""Splitting texts into words that can be searched: PostgreSQL stems English, we cut Chinese, Japanese and Korean."""

from __future__ import annotations

import re
import unicodedata

CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff々ー]+")


def indexed(text: str) -> str:
    """The text with each run of CJK characters as its pairs and single characters, every one a word of its own."""
    folded = normal(text)
    words = [word for run in CJK.findall(folded) for word in (*pairs(run), *(run if len(run) > 1 else ""))]
    return " ".join([CJK.sub(" ", folded), *words])


def normal(text: str) -> str:
    """Full-width letters, ligatures and case do not matter; NUL is nothing a database can be asked for."""
    return unicodedata.normalize("NFKC", text).casefold().replace("\0", " ")


def pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)] or [run]

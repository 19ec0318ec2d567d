"""Splitting texts into words that can be searched: PostgreSQL stems English, we cut Chinese and Japanese into pairs."""

from __future__ import annotations

import re
import unicodedata

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff々ー]+")


def with_pairs(text: str) -> str:
    """The text, and after it each pair of neighboring CJK characters as a word of its own."""
    normal = unicodedata.normalize("NFKC", text).lower()
    pairs = [pair for run in _CJK.findall(normal) for pair in _pairs(run)]
    plain = _CJK.sub(" ", normal)
    return " ".join([plain, *pairs])


def query_words(text: str) -> tuple[str, list[str]]:
    """What to stem, and the pairs that must all be there."""
    normal = unicodedata.normalize("NFKC", text).lower()
    return _CJK.sub(" ", normal).strip(), [pair for run in _CJK.findall(normal) for pair in _pairs(run)]


def _pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)] or [run]

"""From texts to what a search compares: terms, where they stand in a listing and how much they count there.

A term is an English stem (Porter's second algorithm, from Snowball), or two neighboring Chinese, Japanese or Korean
characters, or one such character. In a listing a term has a *mark* of eight bits: the low four tell the fields it
stands in, the high four how much it counts, as BM25F reckons a term of several weighted fields (Robertson and
Zaragoza, 2009), with fixed typical lengths instead of averages so that a listing's marks depend on nothing else.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import Stemmer
from numpy.typing import NDArray

from experiences.domain.words import CJK, normal, pairs

FIELDS = ("title", "topics", "summary", "steps")
_WEIGHTS = {"title": 8.0, "topics": 5.0, "summary": 2.5, "steps": 1.0}
_TYPICAL_TERMS = {"title": 8, "topics": 3, "summary": 30, "steps": 120}
_LENGTH_SHARE = 0.4
"""How much of a term's count is set against the length of its field: 0 not at all, 1 in full."""
_SATURATION = 4.0
"""The weighted count at which a term reaches half of what it can reach."""
LEVELS = 15
TERMS_MAX = 600
"""Of one listing; those that count most are kept. It bounds the memory of an index."""
WORD_CHARACTERS = 40

_WORD = re.compile(r"[^\W_]+")
_HIRAGANA = re.compile(r"[\u3040-\u309f]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
STOP_WORDS = frozenset(
    """a about after all also am an and any are as at be been before being but by can cannot could did do does doing
    don done down each else etc few for from further get gets had has have having he her here hers him his how i if in
    into is it its itself just let like me more most my myself no nor not now of off on once one only onto or other our
    out over own per please s same she should so some such t than that the their them then there these they this those
    through to too under until up upon us use using very want was we were what when where which while who whom why will
    with without would you your""".split()
)


class _Stemmers(threading.local):
    """A stemmer of Snowball's is not to be shared by threads."""

    def __init__(self) -> None:
        self.english = Stemmer.Stemmer("english")


_stemmers = _Stemmers()


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    return str(_stemmers.english.stemWord(word))


def key_of(term: str) -> int:
    """The 64 bits by which an index knows a term; two of a million differ but for once in tens of millions."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")


def topic_key(topic: str) -> int:
    """A topic as a whole, which no term can be mistaken for."""
    return key_of(f"topic\0{topic}")


def words_of(text: str) -> Iterator[str]:
    """The words as written but for case and width; a CJK run gives its pairs and its single characters."""
    folded = normal(text)
    for run in CJK.findall(folded):
        yield from run
        if len(run) > 1:
            yield from pairs(run)
    for word in _WORD.findall(CJK.sub(" ", folded)):
        yield word[:WORD_CHARACTERS]


def is_cjk(word: str) -> bool:
    return CJK.match(word) is not None


def term_of(word: str) -> str:
    return word if is_cjk(word) else stem(word)


@dataclass(frozen=True, slots=True)
class Postings:
    """``keys`` uint64, rising, and ``marks`` uint8 of the same length; ``words`` are those a mistyped one may mean."""

    keys: NDArray[np.uint64]
    marks: NDArray[np.uint8]
    words: frozenset[str]


def postings_of(texts: Mapping[str, str]) -> Postings:
    """What a listing with these texts (by field) is found by."""
    weighted: dict[str, float] = {}
    places: dict[str, int] = {}
    words: set[str] = set()
    for number, name in enumerate(FIELDS):
        found = [word for word in words_of(texts.get(name, "")) if word not in STOP_WORDS]
        words.update(word for word in found if not is_cjk(word))
        terms = Counter(map(term_of, found))
        length = _length(found) / _TYPICAL_TERMS[name]
        weight = _WEIGHTS[name] / (1 - _LENGTH_SHARE + _LENGTH_SHARE * max(length, 0.25))
        for term, count in terms.items():
            weighted[term] = weighted.get(term, 0) + weight * count
            places[term] = places.get(term, 0) | 1 << number
    kept = sorted(weighted.items(), key=lambda item: (-item[1], item[0]))[:TERMS_MAX]
    pairs_of_bits = sorted(
        (key_of(term), places[term] | max(1, round(LEVELS * count / (count + _SATURATION))) << 4)
        for term, count in kept
    )
    keys = np.array([key for key, _mark in pairs_of_bits], dtype=np.uint64)
    return Postings(keys, np.array([mark for _key, mark in pairs_of_bits], dtype=np.uint8), frozenset(words))


def _length(words: Iterable[str]) -> int:
    """A run of CJK characters gives two terms a character, and a word of it has about two characters."""
    return sum(1 for word in words if not is_cjk(word) or len(word) > 1)


def trigrams(word: str) -> list[str]:
    """Three letters at a time, with two blanks before and one behind: ``  w``, `` wo``, …, as pg_trgm has them."""
    padded = f"  {word} "
    return sorted({padded[index : index + 3] for index in range(len(padded) - 2)})


def distance(first: str, second: str, limit: int) -> int | None:
    """Letters to insert, remove, replace, or swap with their neighbor (optimal string alignment); None over limit."""
    if abs(len(first) - len(second)) > limit:
        return None
    before, last = [0] * (len(second) + 1), list(range(len(second) + 1))
    for row, letter in enumerate(first, 1):
        current = [row]
        for column, other in enumerate(second, 1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == second[column - 2] and first[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, last = last, current
    return last[-1] if last[-1] <= limit else None


def fields_of(mark: int) -> list[str]:
    return [name for number, name in enumerate(FIELDS) if mark >> number & 1]


def language_of(text: str) -> str:
    """``ja``, ``ko``, ``zh``, or ``en`` for everything in other letters: told by the script, no more."""
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    return "zh" if CJK.search(text) else "en"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One word of a query. ``is_required`` is false for what only ranks: pairs with a particle in them."""

    word: str
    term: str
    is_required: bool
    is_prefix: bool


@dataclass(frozen=True, slots=True)
class Query:
    wanted: tuple[Wanted, ...] = ()
    excluded: tuple[tuple[str, ...], ...] = ()
    """Terms of each word that must not be there; all of one entry together."""
    phrases: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.wanted or self.excluded or self.phrases)


QUERY_CHARACTERS = 400
QUERY_WORDS = 24
_PART = re.compile(r'(-?)"([^"]*)"?|(-?)(\S+)')


def read_query(text: str) -> Query:
    """Words, ``"phrases"``, ``-without`` and ``begin*``. At most 400 characters and 24 words are looked at."""
    wanted: dict[str, Wanted] = {}
    excluded: list[tuple[str, ...]] = []
    phrases: list[str] = []
    for minus_phrase, phrase, minus, part in _PART.findall(normal(text[:QUERY_CHARACTERS])):
        body = phrase or part
        if minus_phrase or minus:
            if terms := tuple(dict.fromkeys(term_of(word) for word in _query_words(body) if word not in STOP_WORDS)):
                excluded.append(terms)
            continue
        words = list(_query_words(body))
        if phrase and len(words) > 1:
            phrases.append(phrase)
        is_prefix = part.endswith("*")
        for item in _wanted_of(words, is_phrase=bool(phrase), is_prefix=is_prefix):
            wanted.setdefault(item.term, item)
    if not (wanted or excluded):
        # Nothing but words that say nothing: they are asked for, and found nowhere.
        wanted = {word: Wanted(word, word, is_required=True, is_prefix=False) for word in _query_words(normal(text))}
    return Query(tuple(wanted.values())[:QUERY_WORDS], tuple(excluded[:QUERY_WORDS]), tuple(phrases[:4]))


def plain_words(text: str) -> str:
    """What is asked for in the asker's own words; empty where a phrase asks for exactly these letters."""
    parts = _PART.findall(normal(text[:QUERY_CHARACTERS]))
    if any(phrase for _minus, phrase, _other, _part in parts):
        return ""
    words = (part.rstrip("*") for _first, _phrase, minus, part in parts if not minus)
    return " ".join(word for word in words if _WORD.search(word))


def _query_words(text: str) -> Iterator[str]:
    """As ``words_of``, but a run of CJK characters is asked for by its pairs alone."""
    for run in CJK.findall(text):
        yield from pairs(run)
    for word in _WORD.findall(CJK.sub(" ", text)):
        yield word[:WORD_CHARACTERS]


def _wanted_of(words: list[str], *, is_phrase: bool, is_prefix: bool) -> Iterator[Wanted]:
    has_content = any(is_cjk(word) and not _HIRAGANA.search(word) for word in words)
    for word in words:
        if word in STOP_WORDS and not is_phrase:
            continue
        soft = is_cjk(word) and has_content and bool(_HIRAGANA.search(word)) and not is_phrase
        yield Wanted(word, term_of(word), not soft and word not in STOP_WORDS, is_prefix and not is_cjk(word))

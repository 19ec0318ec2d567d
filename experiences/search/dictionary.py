"""What the words of a query may stand for: themselves; if nobody uses them, words that begin so, or almost alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models.functions import Length

from experiences.domain.terms import Query, Wanted, distance, is_cjk, key_of, term_of, trigrams
from experiences.models import SearchWord
from experiences.search.postings import Index
from experiences.search.ranking import Alternative, Sought

BEGUN_FACTOR = 0.7
MISTYPED_FACTORS = {1: 0.6, 2: 0.4}
SHORTEST_BEGUN = 3
SHORTEST_MISTYPED = 5
TWO_MISTAKES_FROM = 8
EXPANSIONS = 20
CANDIDATES = 200
ALTERNATIVES = 4
"""So many words a mistyped one is taken for at most."""

_ALIKE = """
SELECT word FROM experiences_searchword
WHERE trigrams && %s::varchar[] AND length(word) BETWEEN %s AND %s
ORDER BY (SELECT count(*) FROM unnest(trigrams) AS trigram WHERE trigram = ANY (%s)) DESC, word
LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Resolved:
    sought: tuple[Sought, ...]
    excluded: tuple[tuple[int, ...], ...]


def resolve(query: Query, index: Index) -> Resolved:
    sought = tuple(Sought(item.word, item.is_required, _alternatives(item, index)) for item in query.wanted)
    return Resolved(sought, tuple(tuple(map(key_of, terms)) for terms in query.excluded))


def _alternatives(item: Wanted, index: Index) -> tuple[Alternative, ...]:
    exact = Alternative(key_of(item.term), item.term)
    is_used = index.frequency(exact.key) > 0
    if is_cjk(item.word) or (is_used and not item.is_prefix):
        return (exact,)
    begun = _used(_begun(item.word), index, BEGUN_FACTOR)
    if is_used or begun:
        return ((exact, *begun) if is_used else begun)[:EXPANSIONS]
    return _mistyped(item.word, index) or (exact,)


def _begun(word: str) -> list[str]:
    if len(word) < SHORTEST_BEGUN:
        return []
    rows = SearchWord.objects.filter(word__startswith=word).order_by(Length("word"), "word")
    return list(rows.values_list("word", flat=True)[: EXPANSIONS * 2])


def _mistyped(word: str, index: Index) -> tuple[Alternative, ...]:
    """Words with most of its trigrams, held against it letter by letter: the nearest, the most frequent first."""
    if len(word) < SHORTEST_MISTYPED:
        return ()
    limit = 2 if len(word) >= TWO_MISTAKES_FROM else 1
    own = trigrams(word)
    with connection.cursor() as cursor:
        cursor.execute(_ALIKE, [own, len(word) - limit, len(word) + limit, own, CANDIDATES])
        candidates = [row[0] for row in cursor.fetchall()]
    away = {other: mistakes for other in candidates if (mistakes := distance(word, other, limit)) is not None}
    least = min(away.values(), default=0)
    nearest = sorted(
        (other for other, mistakes in away.items() if mistakes == least),
        key=lambda other: -index.frequency(key_of(term_of(other))),
    )
    return _used(nearest, index, MISTYPED_FACTORS.get(least, 1.0))[:ALTERNATIVES]


def _used(words: Sequence[str], index: Index, factor: float) -> tuple[Alternative, ...]:
    """The terms of these words that some listing has, each once."""
    terms = dict.fromkeys(map(term_of, words))
    return tuple(Alternative(key_of(term), term, factor) for term in terms if index.frequency(key_of(term)))

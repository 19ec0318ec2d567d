"""The index by itself: what fits is what the agent library says fits, whatever the conditions, facts and order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiences.domain.terms import distance, key_of, postings_of, read_query, trigrams
from experiences.search.columns import DOUBTED, NEUTRAL, PROVEN, Class, Listing
from experiences.search.engine import Engine, Request
from experiences.search.facets import Filters
from experiences.search.members import UNMET_MAX, WIDTH, Members
from experiences.search.ranking import Alternative, Sought, best
from keiken.conditions import Condition, match, parse
from keiken.errors import PackageError

NOW = 1_800_000_000
KEYS = ("os.family", "tool.openssl", "host.memory_mib", "locale.available", "host.is_root", "acme.level")
PLAIN_VERSIONS = ("1.0", "1.1.1w", "3.0.15-1+deb12u1", "3.1", "3.2rc1", "10", "1:9.2p1", "none", "")
VALUES = st.one_of(
    st.sampled_from(PLAIN_VERSIONS),
    st.sampled_from(["linux", "LINUX", "darwin", "ja", "en"]),
    st.integers(-2, 12),
    st.booleans(),
)
RANGES = st.lists(
    st.tuples(
        st.sampled_from([">=", ">", "<=", "<", "==", "!=", "~="]), st.sampled_from(["1.0", "1.1.1w", "3.0", "3.1.2"])
    ),
    min_size=1,
    max_size=3,
).map(lambda parts: ",".join(operator + version for operator, version in parts))
STATED = st.one_of(
    VALUES,
    st.lists(VALUES, min_size=1, max_size=3),
    RANGES,
    st.lists(VALUES, min_size=1, max_size=2).map(lambda items: {"not": items}),
    st.booleans().map(lambda wanted: {"exists": wanted}),
)
FACTS = st.dictionaries(
    st.sampled_from([*KEYS, "unheard.of"]), st.one_of(VALUES, st.none(), st.lists(VALUES, max_size=3)), max_size=6
)


@st.composite
def condition_sets(draw: st.DrawFn) -> list[tuple[Condition, ...]]:
    found = []
    for mapping in draw(st.lists(st.dictionaries(st.sampled_from(KEYS), STATED, max_size=4), min_size=1, max_size=12)):
        kept: list[Condition] = []
        for key, value in mapping.items():
            try:
                kept += parse({key: value})
            except PackageError:
                continue
        found.append(tuple(kept))
    return found


def shelf(sets: list[tuple[Condition, ...]], engine: Engine) -> list[Listing]:
    """A listing for each set; the conditions are interned as the database does."""
    numbers: dict[Condition, int] = {}
    for conditions in sets:
        for condition in conditions:
            engine.conditions.add(numbers.setdefault(condition, len(numbers) + 1), condition)
    return [
        Listing(experience_id=place, version_id=place, organization_id=1, conditions=[numbers[c] for c in conditions])
        for place, conditions in enumerate(sets, 1)
    ]


@settings(max_examples=300, deadline=None)
@given(condition_sets(), st.lists(FACTS, min_size=1, max_size=3), st.integers(0, 12))
def test_what_fits_is_what_the_agent_library_says(
    sets: list[tuple[Condition, ...]], machines: list[dict[str, Any]], split: int
) -> None:
    engine = Engine()
    listings = shelf(sets, engine)
    engine.put(listings[:split])
    for facts in machines:  # once with a part, so that kept answers must grow with what comes
        engine.search(Request(facts=facts, fit="fits", now=NOW))
    engine.put(listings[split:])
    for facts in [*machines, *machines]:
        wanted = {place for place, conditions in enumerate(sets, 1) if match(conditions, facts).holds}
        answer = engine.search(Request(facts=facts, fit="fits", count=50, now=NOW))
        assert {place.experience_id for place in answer.places} == wanted
        assert answer.total == len(wanted)
        unmet = {
            place: sum(finding.status != "holds" for finding in match(conditions, facts).findings)
            for place, conditions in enumerate(sets, 1)
        }
        nearly = engine.search(Request(facts=facts, fit="nearly", count=50, now=NOW)).places
        assert {place.experience_id: place.unmet for place in nearly} == {k: v for k, v in unmet.items() if v <= 2}
        assert [place.unmet for place in nearly] == sorted(place.unmet or 0 for place in nearly)


def test_many_ranges_of_one_fact_are_answered_as_each_by_itself() -> None:
    texts = [f"{operator}{bound}" for operator in (">=", ">", "<=", "<", "==", "!=") for bound in ("1.0", "2.5", "3")]
    texts += [">=1.0,<3", ">1.0,<=2.5", ">=1,!=2.5", "~=2.5", "==2.*"]
    conditions = [parse({"tool.x": text})[0] for text in texts]
    engine = Engine()
    engine.put(shelf([(condition,) for condition in conditions], engine))
    for fact in (
        "0.9",
        "1.0",
        "1.0.0",
        "2.5",
        "2.5.post1",
        "2.5rc1",
        "3",
        "3.0.15-1+deb12u1",
        "4",
        "no version",
        "",
        3,
        ["2", "9"],
        None,
        True,
    ):
        facts = {"tool.x": fact}
        answer = engine.search(Request(facts=facts, fit="fits", count=100, now=NOW))
        wanted = {place for place, item in enumerate(conditions, 1) if item.evaluate(facts) == "holds"}
        assert {place.experience_id for place in answer.places} == wanted, fact


# --- words


def listing(number: int, title: str, **parts: Any) -> Listing:
    postings = postings_of({"title": title, "steps": parts.pop("steps", "")})
    values = {"organization_id": 1, "version_id": number, "published_at": NOW - number}
    return Listing(experience_id=number, keys=postings.keys, marks=postings.marks, **{**values, **parts})


def sought(text: str) -> list[Sought]:
    return [
        Sought(item.word, item.is_required, (Alternative(key_of(item.term), item.term),))
        for item in read_query(text).wanted
    ]


def found(engine: Engine, text: str = "", **parts: Any) -> list[int]:
    answer = engine.search(Request(sought=sought(text), count=100, now=NOW, **parts))
    return [place.experience_id for place in answer.places]


def test_texts_are_replaced_when_the_version_is_another_and_figures_when_it_is_not() -> None:
    engine = Engine()
    engine.put([listing(1, "Rotate a key"), listing(2, "Rotate a log")])
    assert found(engine, "key") == [1]
    engine.put([listing(1, "Burn a bridge", version_id=9)])
    assert (found(engine, "key"), found(engine, "bridge"), found(engine, "rotate")) == ([], [1], [2])
    engine.put([listing(1, "", version_id=9, quality=0.9)])
    assert found(engine, "bridge") == [1]
    assert found(engine, sort="quality") == [1, 2]
    engine.remove([1])
    assert (found(engine, "bridge"), found(engine)) == ([], [2])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=9), min_size=1, max_size=12), st.randoms())
def test_segments_find_the_same_however_they_were_merged(batches: list[list[int]], chooser: Any) -> None:
    engine, texts = Engine(), {}
    version = 0
    for batch in batches:
        rows = []
        for number in dict.fromkeys(batch):
            version += 1
            texts[number] = " ".join(chooser.choices(["alpha", "beta", "gamma", "delta"], k=2))
            rows.append(listing(number, texts[number], version_id=version))
        engine.put(rows)
    for word in ("alpha", "beta", "gamma", "delta"):
        assert set(found(engine, word)) == {number for number, text in texts.items() if word in text}
    both = {number for number, text in texts.items() if {"alpha", "beta"} <= set(text.split())}
    assert set(found(engine, "alpha beta")) >= both


def test_a_word_in_the_title_counts_more_than_one_in_the_steps() -> None:
    engine = Engine()
    engine.put([listing(1, "Mend a fence", steps="then rotate the certificate"), listing(2, "Rotate the certificate")])
    answer = engine.search(Request(sought=sought("certificates"), now=NOW))
    assert [place.experience_id for place in answer.places] == [2, 1]
    reasons = [(reason.word, reason.term, reason.fields) for place in answer.places for reason in place.reasons]
    assert reasons == [("certificates", "certif", ("title",)), ("certificates", "certif", ("steps",))]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-5, 5) | st.integers(-(2**60), 2**60), max_size=300), st.integers(0, 40), st.integers(1, 40)
)
def test_the_best_are_those_a_full_sort_gives(keys: list[int], offset: int, count: int) -> None:
    array, numbers = np.array(keys, dtype=np.int64), np.arange(len(keys))
    wanted = sorted(range(len(keys)), key=lambda place: (-keys[place], -place))
    assert list(best(array, numbers.__getitem__, offset + count)) == wanted[: offset + count]


def test_the_best_of_very_many_with_few_different_keys_are_those_a_full_sort_gives() -> None:
    keys = np.random.default_rng(1).integers(0, 3, 200_000)
    numbers = np.random.default_rng(2).permutation(200_000)
    wanted = np.lexsort((numbers, keys))[::-1]
    for count in (1, 20, 5_000):
        assert (best(keys, numbers.__getitem__, count) == wanted[:count]).all()


# --- who sees what, and what can be chosen


def test_only_the_asker_s_own_and_permitted_ones_are_seen_beside_the_public() -> None:
    engine = Engine()
    engine.put(
        [
            listing(1, "Rotate"),
            listing(2, "Rotate", is_public=False, organization_id=7),
            listing(3, "Rotate", is_public=False, organization_id=8),
        ]
    )
    assert set(found(engine, "rotate")) == {1}
    assert set(found(engine, "rotate", organization_id=7)) == {1, 2}
    assert set(found(engine, "rotate", organization_id=7, permitted=[3, 99])) == {1, 2, 3}
    answer = engine.search(Request(now=NOW))
    assert answer.facets["publisher"] == [(1, 1)]
    engine.put([listing(3, "Rotate", organization_id=8)])
    assert set(found(engine, "rotate")) == {1, 3}
    engine.put([listing(1, "Rotate", is_public=False)])
    assert set(found(engine, "rotate")) == {3}


@pytest.fixture
def market() -> Engine:
    engine = Engine()
    debian, web = (
        Class(environment=("debian-12",), language=("en",)),
        Class(environment=("debian-12", "web"), language=("ja",)),
    )
    day = 86_400
    engine.put(
        [
            listing(1, "a", klass=debian, topics=["tls", "nginx"], standing=PROVEN, proven_at=NOW - 60),
            listing(2, "b", klass=web, topics=["tls"], standing=PROVEN, proven_at=NOW - 3 * day, organization_id=2),
            listing(3, "c", klass=web, topics=["git"], standing=PROVEN, proven_at=NOW - 40 * day),
            listing(4, "d", standing=DOUBTED),
            listing(5, "e", standing=NEUTRAL),
        ]
    )
    return engine


def facets(engine: Engine, **filters: Any) -> tuple[int, dict[str, dict[Any, int]]]:
    answer = engine.search(Request(filters=Filters(**filters), now=NOW))
    return answer.total, {name: dict(values) for name, values in answer.facets.items()}


def test_counts_say_what_choosing_would_leave(market: Engine) -> None:
    total, counts = facets(market)
    assert total == 5
    assert counts["environment"] == {"debian-12": 3, "web": 2}
    assert counts["verified"] == {"day": 1, "week": 2, "verified": 2, "unverified": 2, "failing": 1}
    assert counts["topic"] == {"tls": 2, "nginx": 1, "git": 1}
    assert counts["publisher"] == {1: 4, 2: 1}
    for value, count in counts["environment"].items():
        assert facets(market, classes={"environment": (value,)})[0] == count
    for value, count in counts["verified"].items():
        assert facets(market, verified=(value,))[0] == count
    for value, count in counts["publisher"].items():
        assert facets(market, publishers=(value,))[0] == count


def test_a_facet_s_own_choice_does_not_hide_its_other_values(market: Engine) -> None:
    total, counts = facets(market, classes={"language": ("ja",)})
    assert total == 2
    assert counts["language"] == {"ja": 2, "en": 1}
    assert counts["environment"] == {"debian-12": 2, "web": 2}
    total, counts = facets(market, classes={"language": ("ja",)}, publishers=(2,), verified=("week",))
    assert (total, counts["publisher"], counts["verified"]) == (1, {2: 1}, {"week": 1, "verified": 1})
    assert facets(market, topics=("tls", "nginx"))[0] == 1
    assert facets(market, publishers=(-1,))[0] == 0
    assert facets(market, classes={"language": ("xx",)})[0] == 0


# --- queries and mistyped words


@pytest.mark.parametrize(
    ("first", "second", "limit", "wanted"),
    [
        ("ngnix", "nginx", 1, 1),
        ("certficate", "certificate", 2, 1),
        ("abc", "abc", 1, 0),
        ("abc", "xyz", 2, None),
        ("a", "abcd", 2, None),
    ],
)
def test_letters_inserted_removed_replaced_or_swapped(first: str, second: str, limit: int, wanted: int | None) -> None:
    assert distance(first, second, limit) == distance(second, first, limit) == wanted


def test_trigrams_are_those_of_pg_trgm() -> None:
    assert trigrams("word") == ["  w", " wo", "ord", "rd ", "wor"]


def test_a_query_is_read_as_people_write_it() -> None:
    query = read_query('Rotating "two words" -backup begin* 証明書の更新')
    assert [(item.term, item.is_required, item.is_prefix) for item in query.wanted] == [
        ("rotat", True, False),
        ("two", True, False),
        ("word", True, False),
        ("begin", True, True),
        ("証明", True, False),
        ("明書", True, False),
        ("書の", False, False),
        ("の更", False, False),
        ("更新", True, False),
    ]
    assert (query.excluded, query.phrases) == ((("backup",),), ("two words",))


@given(st.text(max_size=500))
def test_no_text_breaks_a_query_or_a_listing(text: str) -> None:
    query = read_query(text)
    assert len(query.wanted) <= 24
    postings = postings_of({"title": text, "steps": text * 3})
    assert list(postings.keys) == sorted(set(postings.keys.tolist()))
    assert len(postings.keys) == len(postings.marks) <= 600
    assert (postings.marks & 15 > 0).all()
    assert (postings.marks >> 4 > 0).all()


def test_what_is_close_in_meaning_is_merged_into_a_long_list_once_and_in_one_order() -> None:
    engine = Engine()
    texts = [{"title": "certificate", "steps": "more " * (number // 10)} for number in range(300)]
    texts += [{"title": "disk"}] * 5
    postings = [postings_of(text) for text in texts]
    engine.put(
        Listing(experience_id=number, version_id=number, organization_id=1, keys=found.keys, marks=found.marks)
        for number, found in enumerate(postings, 1)
    )
    sought = [Sought("certificate", True, (Alternative(key_of("certif"), "certif"),))]
    words = [place.experience_id for place in engine.search(Request(sought=sought, count=400)).places]
    assert len(words) == 300
    # Two that only mean it, one of the first that have the word, and one far behind.
    near = [301, words[2], words[280], 302]
    whole = engine.search(Request(sought=sought, near=near, count=400))
    found = [place.experience_id for place in whole.places]
    assert whole.total == len(found) == len(set(found)) == 302
    # 1/62 + 1/63 · 1/61 twice, the word first · 1/62 · 1/63 by meaning alone · 1/64 twice
    assert found[:7] == [words[2], words[0], 301, words[1], words[280], words[3], 302]
    assert found[7:] == [number for number in words[4:] if number != words[280]]
    pages = [engine.search(Request(sought=sought, near=near, count=7, offset=at)).places for at in range(0, 302, 7)]
    assert [place.experience_id for page in pages for place in page] == found


MANY = 400
"""So many conditions that some sets have more of them unmet than can be told."""


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sets(st.integers(0, MANY - 1), max_size=2 * WIDTH) | st.just(set(range(MANY))), max_size=12),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sets(st.integers(0, MANY - 1)),
)
def test_what_is_not_met_is_counted_for_sets_of_any_size(
    sets: list[set[int]], at_once: int, first: int, unmet: set[int]
) -> None:
    members, places = Members(), [sorted(one) for one in sets]
    lengths = np.array([len(one) for one in places[:at_once]], dtype=np.int64)
    joined = np.array([place for one in places[:at_once] for place in one], dtype=np.int32)
    members.extend(np.cumsum(lengths) - lengths, joined)
    for one in places[at_once:]:
        members.append(tuple(one))
    is_unmet = np.zeros(MANY, dtype=np.uint8)
    is_unmet[list(unmet)] = 1
    first = min(first, len(sets))
    assert list(members.count(is_unmet, first)) == [min(len(one & unmet), UNMET_MAX) for one in sets[first:]]

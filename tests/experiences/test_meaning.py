"""Found by what a text means: merged with the words' hits, only where it fits and may be seen, never waited for."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Organization
from experiences import embedding
from experiences.embedding import NoVectors, embed, signs_of, space
from experiences.models import Embedding
from experiences.search.meaning import Signs
from experiences.search.ranking import fused
from experiences.selectors import embedding_overview
from experiences.services.embed_listings import embed_listings
from experiences.services.embedding_rows import want_embeddings
from experiences.services.yank import yank
from tests import factories
from tests.accounts.receiver import receiving
from tests.embedding_server import DIMENSIONS, KEY, Endpoint
from tests.experiences.conftest import configure, listed
from tests.experiences.meanings import ask, names, why

pytestmark = pytest.mark.usefixtures("sent")  # nobody needs to be woken here

# --- what is found


def test_what_is_close_in_meaning_is_merged_with_what_has_the_words_and_says_so(shelf: None) -> None:
    found = ask(words="certificate")
    # 1/61 + 1/61 by both, then the others by nearness; equally near ones by the number of the experience.
    assert names(found) == ["rotate-certificate", "https-proxy", "sabaa-koushin"]
    assert found.total == 3
    assert why(found) == {
        "rotate-certificate": [("certificate", ("title", "summary", "steps")), ("certificate", ("meaning",))],
        "https-proxy": [("certificate", ("meaning",))],
        "sabaa-koushin": [("certificate", ("meaning",))],
    }
    assert dict(found.facets["topic"]) == {"ops": 2, "tls": 1}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("storage", ["free-space"]),
        ("容量", ["free-space"]),
        ("ディスクの容量が足りない", ["free-space"]),
        ("backup", ["hikae"]),
        ("バックアップ", ["hikae"]),
        ("nothing like this", []),
        ('"storage"', []),
        ("storage -disk", []),
        ("-storage", ["hikae", "https-proxy", "rotate-certificate", "sabaa-koushin", "free-space"]),
        ("!!!", ["hikae", "https-proxy", "rotate-certificate", "sabaa-koushin", "free-space"]),
    ],
)
def test_words_of_one_language_find_texts_of_the_other(shelf: None, words: str, expected: list[str]) -> None:
    assert sorted(names(ask(words=words))) == sorted(expected)


def test_facts_and_filters_hold_for_what_is_close_too(shelf: None) -> None:
    linux = {"os.family": "linux"}
    assert names(ask(words="storage", facts=linux, fit="fits")) == []
    assert names(ask(words="storage", facts=linux, fit="nearly")) == []
    assert names(ask(words="storage", facts={"os.family": "windows"}, fit="fits")) == ["free-space"]
    assert names(ask(words="storage", facts=linux)) == ["free-space"]
    assert names(ask(words="certificate", topics=["tls"])) == ["rotate-certificate"]
    assert names(ask(words="certificate", filters={"language": ["ja"]})) == ["sabaa-koushin"]
    assert names(ask(words="certificate", publishers=["globex"])) == []


def test_what_is_not_open_is_close_to_nothing_for_strangers(acme: Organization, endpoint: Endpoint) -> None:
    hidden = listed(acme, "inner-disk", "Clean up a full disk", visibility="organization")
    assert embed_listings() == 1
    found = ask(words="storage")
    assert (names(found), found.total, found.facets["topic"]) == ([], 0, [])
    owner = factories.owner_actor(acme)
    assert names(ask(owner, words="storage")) == ["inner-disk"]
    yank(actor=owner, version=hidden, reason="")
    assert names(ask(owner, words="storage")) == []


def test_pages_of_merged_hits_neither_overlap_nor_leave_gaps(shelf: None, acme: Organization) -> None:
    for number in range(6):
        listed(acme, f"more-{number}", "Mend a certificate" if number % 2 else "Look at https")
    assert embed_listings() == 6
    for sort in ("relevance", "newest"):
        whole = ask(words="certificate", sort=sort)
        pages = [names(ask(words="certificate", sort=sort, limit=2, offset=at)) for at in range(0, 10, 2)]
        assert [name for page in pages for name in page] == names(whole)
        assert len(set(names(whole))) == whole.total == 9


def test_little_similarity_is_not_close(shelf: None, settings: Any, endpoint: Endpoint) -> None:
    listed_before = names(ask(words="storage mail mail mail"))
    configure(settings, endpoint.url, embedding_min_similarity=0.1)
    assert (listed_before, names(ask(words="storage mail mail mail"))) == ([], ["free-space"])


# --- an endpoint in trouble


def test_without_an_endpoint_nothing_is_wanted_and_words_answer(acme: Organization) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    assert (space(), want_embeddings(), embed_listings(), Embedding.objects.count()) == ("", 0, 0, 0)
    assert names(ask(words="storage")) == []
    assert names(ask(words="disk")) == ["free-space"]


def test_an_endpoint_that_is_down_stops_neither_publishing_nor_searching(
    acme: Organization, endpoint: Endpoint, settings: Any
) -> None:
    configure(settings, "http://127.0.0.1:9/v1")
    version = listed(acme, "free-space", "Clean up a full disk")
    before = timezone.now()
    assert embed_listings() == 0
    row = Embedding.objects.get()
    assert (row.version, row.made_at, row.attempts, row.note, row.lease_token) == (version, None, 1, "connection", None)
    assert timedelta(seconds=29) < row.not_before - before < timedelta(seconds=60)
    assert names(ask(words="disk")) == ["free-space"]
    configure(settings, endpoint.url)
    assert embed_listings() == 0, "it is not due yet"
    Embedding.objects.update(not_before=before)
    assert embed_listings() == 1
    assert embedding_overview() == {"space": space(), "made": 1, "waiting": 0, "trouble": {}}
    cache.clear()
    assert names(ask(words="storage")) == ["free-space"]


def test_a_slow_endpoint_is_waited_for_once_and_then_left_alone_for_a_while(
    shelf: None, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "QUERY_SECONDS", 1.0)
    endpoint.wait_seconds = 60
    endpoint.asked.clear()
    begin = time.monotonic()
    assert names(ask(words="certificate")) == ["rotate-certificate"]
    assert time.monotonic() - begin < 30
    for words in ("certificate", "disk", "storage"):
        ask(words=words)
    assert endpoint.texts == ["certificate"]


def test_an_answer_that_drips_is_not_waited_for_and_leaves_no_thread(settings: Any, store: Any) -> None:
    with receiving() as server:
        configure(settings, server.url.removesuffix("/hook"))
        server.drip_seconds = 0.05
        begin = time.monotonic()
        with pytest.raises(NoVectors, match="timeout"):
            embed(["storage"], seconds=0.5)
        assert time.monotonic() - begin < 30
        while any(thread.name == "embedding" for thread in threading.enumerate()):
            assert time.monotonic() - begin < 60
            time.sleep(0.05)


def test_words_that_cannot_be_embedded_leave_other_searches_their_meaning(shelf: None, endpoint: Endpoint) -> None:
    endpoint.poison = "poison"
    endpoint.asked.clear()
    for _turn in range(2):
        assert names(ask(words="poison")) == []
    assert names(ask(words="storage")) == ["free-space"]
    assert endpoint.texts == ["poison", "storage"]


def test_beyond_so_many_new_queries_a_minute_words_alone_answer(
    shelf: None, endpoint: Endpoint, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("experiences.embedding.time.time", lambda: now)
    configure(settings, endpoint.url, embedding_queries_per_minute=1)
    endpoint.asked.clear()
    assert [names(ask(words=words)) for words in ("storage", "backup", "storage")] == [
        ["free-space"],
        [],
        ["free-space"],
    ]
    assert endpoint.texts == ["storage"]
    now += 60
    assert names(ask(words="backup")) == ["hikae"]


def test_without_the_cache_words_alone_answer(shelf: None, endpoint: Endpoint, settings: Any) -> None:
    endpoint.asked.clear()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "unix:///nowhere/redis.sock"}}
    assert names(ask(words="certificate")) == ["rotate-certificate"]
    assert endpoint.asked == []


def test_a_query_is_embedded_once(shelf: None, endpoint: Endpoint) -> None:
    endpoint.asked.clear()
    assert names(ask(words="storage")) == names(ask(words="STORAGE", limit=1)) == ["free-space"]
    assert endpoint.asked == [{"model": "concepts", "input": ["storage"], "encoding_format": "float"}]
    assert set(endpoint.keys) == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"status": 401}, "status_401"),
        ({"status": 500}, "status_500"),
        ({"status": 307, "location": "http://127.0.0.1:9/elsewhere"}, "status_307"),
        ({"spoil": lambda data: [{**row, "embedding": row["embedding"][1:]} for row in data]}, "wrong_dimensions"),
        ({"spoil": lambda data: data[1:]}, "answer_incomplete"),
        ({"spoil": lambda data: [data[0], data[0]]}, "answer_incomplete"),
        ({"spoil": lambda _data: "no list"}, "answer_unreadable"),
        ({"spoil": lambda data: [{**row, "embedding": ["x"] * DIMENSIONS} for row in data]}, "answer_unreadable"),
        ({"spoil": lambda data: [{**row, "embedding": [float("nan")] * DIMENSIONS} for row in data]}, "no_direction"),
        ({"spoil": lambda data: [{**row, "embedding": [0] * DIMENSIONS} for row in data]}, "no_direction"),
    ],
)
def test_a_wrong_answer_is_kept_as_a_word_and_the_key_is_nowhere(
    acme: Organization,
    endpoint: Endpoint,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    word: str,
) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    listed(acme, "hikae", "データベースの控えを作る")
    for name, value in change.items():
        setattr(endpoint, name, value)
    with caplog.at_level(logging.DEBUG):
        assert embed_listings() == 0
        assert names(ask(words="disk")) == ["free-space"]
    rows = Embedding.objects.all()
    assert {(row.note, bytes(row.vector), row.made_at) for row in rows} == {(word, b"", None)}
    assert word in caplog.text
    assert "never-to-be-seen" not in caplog.text
    assert "never-to-be-seen" not in repr(list(rows.values()))


def test_a_text_that_is_refused_keeps_no_other_from_its_vector(acme: Organization, endpoint: Endpoint) -> None:
    for number in range(4):
        listed(acme, f"disk-{number}", f"Clean up disk {number}")
    endpoint.poison = "disk 2"
    assert embed_listings() == 3
    left = Embedding.objects.get(made_at__isnull=True)
    assert (left.experience.name, left.note, left.is_alone, left.attempts) == ("disk-2", "status_400", True, 2)
    assert left.not_before > timezone.now()
    assert len(endpoint.asked) == 5


# --- the parts


def test_ranks_are_fused_reciprocally() -> None:
    # b: 1/62 + 1/61; a: 1/61; c: 1/63; d: 1/62; e: 1/63 (a word's hit before its equal)
    assert fused([1, 2, 3], [2, 4, 5]) == [2, 1, 4, 3, 5]
    assert fused([], [7, 8]) == [7, 8]
    assert fused([7, 8], []) == [7, 8]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.sampled_from([8, 64, 65, 200]),
    st.floats(0, 1),
    st.integers(1, 30),
)
def test_the_nearest_by_signs_are_those_with_the_fewest_that_differ(
    seed: int, size: int, dimensions: int, share: float, count: int
) -> None:
    numbers = np.random.default_rng(seed)
    vectors = numbers.normal(size=(size, dimensions)).astype(np.float32)
    question = numbers.normal(size=(1, dimensions)).astype(np.float32)
    known, base = numbers.random(size) < 0.8, numbers.random(size) < share
    signs = Signs(dimensions)
    signs.put(np.flatnonzero(known), signs_of(vectors)[known])
    found = signs.nearest(signs_of(question)[0], base, count)
    away = ((vectors > 0) != (question > 0)).sum(axis=1)
    possible = np.flatnonzero(known & base)
    assert set(found) <= set(possible)
    assert sorted(away[found]) == sorted(away[possible])[:count]

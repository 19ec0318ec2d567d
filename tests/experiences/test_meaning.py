"""Found by what a text means: merged with the words' hits, only where it fits and may be seen, never waited for."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.actors import ANONYMOUS, Actor
from accounts.models import AuditEntry, Organization
from experiences import embedding
from experiences.embedding import NoVectors, embed, signs_of, space
from experiences.models import Embedding
from experiences.search.find import Found, Question, find
from experiences.search.meaning import Signs
from experiences.search.ranking import fused
from experiences.search.shelf import SHELF
from experiences.selectors import embedding_overview
from experiences.services.embed_listings import embed_listings
from experiences.services.embedding_rows import BATCH, claim_batch, keep_vectors, want_embeddings
from experiences.services.want_missing_embeddings import want_missing_embeddings
from experiences.services.yank import yank
from tests import factories
from tests.accounts.receiver import receiving
from tests.embedding_server import DIMENSIONS, KEY, Endpoint, embedding_endpoint
from tests.experiences.conftest import at_once, publish


@pytest.fixture(autouse=True)
def _no_messages(sent: list[Any]) -> None:
    """Nobody needs to be woken here."""


@pytest.fixture
def endpoint(settings: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(embedding, "QUERY_SECONDS", 60.0)
    with embedding_endpoint() as server:
        configure(settings, server.url)
        yield server


def configure(settings: Any, url: str, **more: Any) -> None:
    values = {
        "embedding_url": url,
        "embedding_api_key": KEY,
        "embedding_model": "concepts",
        "embedding_dimensions": DIMENSIONS,
        **more,
    }
    settings.KEIKEN = settings.KEIKEN.model_copy(update=values)


def listed(acme: Organization, name: str, title: str, **parts: Any) -> Any:
    skill = f"---\nname: {name}\ndescription: {title}\nlicense: Apache-2.0\n---\n\n# {title}\n"
    return publish(acme, name=name, title=title, skill=skill, **{"conditions": {}, "topics": ["ops"], **parts})


@pytest.fixture
def shelf(acme: Organization, endpoint: Endpoint) -> None:
    listed(acme, "rotate-certificate", "Rotate a certificate", conditions={"os.family": "linux"}, topics=["tls"])
    listed(acme, "https-proxy", "Serve pages by https")
    listed(acme, "sabaa-koushin", "サーバー証明書を更新する")
    listed(acme, "free-space", "Clean up a full disk", conditions={"os.family": "windows"})
    listed(acme, "hikae", "データベースの控えを作る")
    assert embed_listings() == 5


def ask(actor: Actor = ANONYMOUS, **question: Any) -> Found:
    return find(actor, Question(**question))


def names(found: Found) -> list[str]:
    return [hit.version.experience.name for hit in found.hits]


def why(found: Found) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    return {hit.version.experience.name: [(it.word, it.fields) for it in hit.reasons] for hit in found.hits}


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


# --- what changes


def test_another_model_embeds_everything_again(shelf: None, settings: Any, endpoint: Endpoint) -> None:
    before = {row.pk: row.made_at for row in Embedding.objects.all()}
    configure(settings, endpoint.url, embedding_model="concepts-2")
    SHELF.forget()  # another model is another process
    assert names(ask(words="storage")) == [], "vectors of two models cannot be compared"
    assert (want_missing_embeddings(), want_missing_embeddings()) == (5, 0)
    assert embed_listings() == 5
    assert {row.space for row in Embedding.objects.all()} == {f"concepts-2@{DIMENSIONS}"}
    assert all(row.made_at > before[row.pk] for row in Embedding.objects.all())
    assert names(ask(words="storage")) == ["free-space"]
    assert embed_listings() == 0


def test_a_new_version_is_found_by_the_old_text_until_it_has_a_vector(
    shelf: None, acme: Organization, endpoint: Endpoint
) -> None:
    listed(acme, "free-space", "Send a mail", version="2.0.0", conditions={})
    assert names(ask(words="storage")) == ["free-space"]
    assert embed_listings() == 1
    assert names(ask(words="storage")) == []
    assert names(ask(words="メール")) == ["free-space"]


def test_a_version_published_meanwhile_takes_the_vector_of_its_own_text(acme: Organization, endpoint: Endpoint) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    rows = claim_batch()
    second = listed(acme, "free-space", "Send a mail", version="2.0.0")
    assert keep_vectors(rows, np.eye(1, DIMENSIONS, dtype=np.float32)) == 0
    assert embed_listings() == 1
    assert Embedding.objects.get().version == second
    assert names(ask(words="storage")) == []


def test_a_worker_that_died_leaves_its_texts_to_the_next(acme: Organization, endpoint: Endpoint) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    (row,) = claim_batch()
    assert embed_listings() == 0, "another holds it"
    Embedding.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert embed_listings() == 1
    assert keep_vectors([row], np.eye(1, DIMENSIONS, dtype=np.float32)) == 0
    assert names(ask(words="storage")) == ["free-space"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_no_text_twice(endpoint: Endpoint) -> None:
    acme = factories.organization("acme")
    count = BATCH + 3
    for number in range(count):
        listed(acme, f"disk-{number}", f"Clean up disk {number}")
    assert sum(at_once(embed_listings, embed_listings)) == count
    assert len(endpoint.texts) == len(set(endpoint.texts)) == count
    assert len(ask(words="storage", limit=100).hits) == count


def test_what_was_listed_before_there_was_an_endpoint_is_embedded(
    acme: Organization, settings: Any, endpoint: Endpoint
) -> None:
    configure(settings, "")
    listed(acme, "free-space", "Clean up a full disk")
    assert Embedding.objects.count() == 0
    configure(settings, endpoint.url)
    assert want_missing_embeddings() == 1
    assert embed_listings() == 1
    assert endpoint.texts[0].splitlines()[:3] == ["Clean up a full disk", "ops", "Clean up a full disk"]


# --- what an operator sees


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("embeddings", *arguments, stdout=out)
    return out.getvalue()


def test_an_operator_sees_what_waits_and_why_and_has_it_tried_again(
    acme: Organization, endpoint: Endpoint, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    endpoint.status = 503
    embed_listings()
    assert command().splitlines() == [
        f"concepts@{DIMENSIONS}: 0 texts have a vector, 1 wait for one.",
        "    status_503: 1",
    ]
    endpoint.status = 200
    assert embed_listings() == 0
    with django_capture_on_commit_callbacks(execute=True):
        assert json.loads(command("--retry", "--json"))["retried"] == 1
    assert sent == [("embed_listings", ())]
    assert AuditEntry.objects.filter(action="embedding.retry").count() == 1
    assert embed_listings() == 1


def test_without_an_endpoint_the_command_says_what_to_set(db: None) -> None:
    with pytest.raises(CommandError, match="KEIKEN_EMBEDDING_URL"):
        command()


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

"""Every process finds what any other committed, at its next search; and nobody finds what is not theirs to see."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import ANONYMOUS, Actor
from accounts.models import Organization
from experiences.models import Experience, SearchChange, SearchEntry, SearchWord
from experiences.search.find import Found, Question, find
from experiences.search.shelf import CHANGES_KEPT_SECONDS, SHELF, Shelf
from experiences.services.attest import attest
from experiences.services.list_terms import list_terms
from experiences.services.set_standing_figures import StandingFigures, set_standing_figures
from experiences.services.sweep_search_changes import sweep_search_changes
from experiences.services.yank import yank
from tests import factories
from tests.experiences.conftest import concluded, publish

FRESH_WITHIN_SECONDS = 2.0


@pytest.fixture(autouse=True)
def _no_messages(sent: list[Any]) -> None:
    """Nobody needs to be woken here."""


def ask(actor: Actor = ANONYMOUS, **question: Any) -> Found:
    return find(actor, Question(**question))


def names(found: Found) -> list[str]:
    return [hit.version.experience.name for hit in found.hits]


def chosen(found: Found, facet: str) -> dict[str, int]:
    return dict(found.facets[facet])


READER = """
import sys, time
import django
django.setup()
from accounts.actors import ANONYMOUS
from experiences.search.find import Question, find
for line in sys.stdin:
    words = line.strip()
    hits = find(ANONYMOUS, Question(words=words)).hits
    print(" ".join(hit.version.experience.name for hit in hits) or "-", flush=True)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_another_process_finds_a_change_within_two_seconds() -> None:
    acme = factories.organization("acme")
    publish(acme, name="first", title="Rotate a certificate")
    program = f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\nfrom django.conf import settings\nsettings.DATABASES['default']['NAME'] = {connection.settings_dict['NAME']!r}\n{READER}"
    reader = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert reader.stdin is not None
    assert reader.stdout is not None

    def seen(words: str) -> str:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write(words + "\n")
        return reader.stdout.readline().strip()

    try:
        assert seen("certificate") == "first"
        second = publish(acme, name="second", title="Renew a certificate at once")
        committed = time.monotonic()
        while seen("renew") != "second":
            assert time.monotonic() - committed < FRESH_WITHIN_SECONDS
        yank(actor=factories.owner_actor(acme), version=second, reason="wrong")
        assert seen("renew") == "-"
        Experience.objects.filter(name="first").update(visibility="organization")
        assert seen("certificate") == "-"
    finally:
        reader.stdin.close()
        reader.wait(30)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_ends_after_later_ones_is_not_missed() -> None:
    acme = factories.organization("acme")
    first, second = (publish(acme, name=name, title=f"Rotate {name}").experience for name in ("first", "second"))
    shelf = Shelf()
    with shelf.reading() as engine:
        assert len(engine.columns) == 2
    is_written, may_end = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                Experience.objects.filter(pk=first.pk).update(replay_count=7)
                is_written.set()
                may_end.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    is_written.wait(30)
    Experience.objects.filter(pk=second.pk).update(replay_count=5)
    with shelf.reading() as engine:
        assert list(engine.columns["replays"]) == [0, 5]
    may_end.set()
    thread.join(30)
    with shelf.reading() as engine:
        assert list(engine.columns["replays"]) == [7, 5]


def test_a_search_reads_no_entries_again_when_nothing_changed(acme: Organization) -> None:
    publish(acme, title="Rotate a certificate")
    for _time in range(2):  # what was committed while the index was built is read once more
        assert names(ask(words="certificate")) == ["write-greeting"]
    with CaptureQueriesContext(connection) as queries:
        assert names(ask(words="certificate")) == ["write-greeting"]
    statements = [query["sql"] for query in queries]
    assert len(statements) <= 4, statements
    assert not [statement for statement in statements if "searchentry" in statement or "searchword" in statement]
    assert len([statement for statement in statements if "searchchange" in statement]) == 1


def test_what_layers_above_know_can_be_chosen_and_stays_when_a_version_is_published(acme: Organization) -> None:
    experience = publish(acme).experience
    list_terms(experience_id=experience.pk, license_kinds=["request", "free", "free"], price="free")
    set_standing_figures([StandingFigures(experience_id=experience.pk, quality=0.9, replay_count=4)])
    publish(acme, version="1.1.0", title="Greet loudly")
    publish(acme, name="other", title="Greet quietly")
    found = ask(words="greet")
    assert chosen(found, "license") == {"free": 1, "request": 1}
    assert chosen(found, "price") == {"free": 1}
    assert names(ask(filters={"license": ["request"]})) == ["write-greeting"]
    for sort in ("quality", "replayed"):
        assert names(ask(sort=sort)) == ["write-greeting", "other"]
    assert names(ask(sort="newest")) == ["other", "write-greeting"]


def test_where_and_how_lately_it_is_proven_can_be_chosen(acme: Organization) -> None:
    version = publish(acme)
    assert chosen(ask(), "verified") == {"unverified": 1}
    row = concluded(version)
    attest(verification_id=str(row.pk))
    found = ask()
    assert chosen(found, "environment") == {"debian-12": 1}
    assert chosen(found, "verified") == {"day": 1, "week": 1, "verified": 1}
    concluded(version, "failed")
    found = ask(verified=["failing"])
    assert (names(found), chosen(found, "environment")) == (["write-greeting"], {})
    assert chosen(found, "action") == {"file": 1, "run": 1}
    assert chosen(found, "publisher") == {"acme": 1}


def test_nobody_learns_of_what_is_not_open_to_them_not_even_by_counts(acme: Organization) -> None:
    from guardian.shortcuts import assign_perm, remove_perm

    secret = publish(acme, visibility="organization", title="Rotate the secret", topics=["hidden"]).experience
    globex = factories.organization("globex")
    member, stranger = factories.owner_actor(acme), factories.owner_actor(globex)
    for actor in (stranger, ANONYMOUS):
        for question in (
            {"words": "secret"},
            {"topics": ["hidden"]},
            {"publishers": ["acme"]},
            {"words": '"the secret"'},
        ):
            found = ask(actor, **question)
            assert (found.hits, found.total) == ([], 0)
            assert not any(found.facets.values())
    assert names(ask(member, words="secret")) == ["write-greeting"]
    assign_perm("experiences.replay_experience", globex.group, secret)
    assert chosen(ask(stranger, words="secret"), "topic") == {"hidden": 1}
    remove_perm("experiences.replay_experience", globex.group, secret)
    assert ask(stranger, words="secret").total == 0


def test_an_index_that_lags_shows_nothing_that_was_closed(acme: Organization) -> None:
    experience = publish(acme, title="Rotate a certificate").experience
    assert names(ask(words="certificate")) == ["write-greeting"]
    Experience.objects.filter(pk=experience.pk).update(visibility="organization")
    SearchChange.objects.all().delete()  # as if the index had not heard of it yet
    with SHELF.reading() as engine:
        assert engine.columns["public"].all()
    assert ask(words="certificate").hits == []


def test_mistyped_and_begun_words_find_what_was_meant_and_say_so(acme: Organization) -> None:
    publish(acme, name="rotate-certificate", title="Rotate a certificate")
    publish(acme, name="balance-load", title="Balance load with nginx")
    for words, name, term in (
        ("certficate", "rotate-certificate", "certif"),
        ("ngnix", "balance-load", "nginx"),
        ("balan", "balance-load", "balanc"),
        ("certif*", "rotate-certificate", "certif"),
    ):
        (hit,) = ask(words=words).hits
        assert hit.version.experience.name == name
        assert [(reason.term, "title" in reason.fields) for reason in hit.reasons] == [(term, True)]
    assert names(ask(words="xyzzyplugh")) == []
    assert SearchWord.objects.filter(word="certificate").count() == 1


def test_what_nearly_fits_comes_behind_with_what_it_lacks(acme: Organization) -> None:
    publish(acme, name="fits", conditions={"os.family": "linux"})
    publish(acme, name="lacks-one", conditions={"os.family": "linux", "tool.nginx": ">=1.18"})
    lacking = {"os.family": "plan9", "tool.nginx": ">=1.18", "tool.openssl": ">=3"}
    publish(acme, name="lacks-three", conditions=lacking)
    facts = {"os.family": "linux", "tool.nginx": "1.10"}
    assert names(ask(facts=facts, fit="fits")) == ["fits"]
    found = ask(facts=facts, fit="nearly")
    assert names(found) == ["fits", "lacks-one"]
    assert found.hits[1].fit is not None
    assert [item.status for item in found.hits[1].fit.findings] == ["holds", "fails"]


def test_changes_are_swept_when_every_process_has_read_them(acme: Organization) -> None:
    publish(acme)
    count = SearchChange.objects.count()
    assert count > 0
    assert sweep_search_changes() == 0
    SearchChange.objects.update(at=timezone.now() - timedelta(seconds=CHANGES_KEPT_SECONDS + 1))
    assert sweep_search_changes() == count
    assert SearchEntry.objects.count() == 1

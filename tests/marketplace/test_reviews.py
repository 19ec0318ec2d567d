"""Ratings as people meet them: answers, where it was used, replies, helpful voices, histories, pages without scripts."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from accounts.models import Membership
from marketplace.domain.reviews import plain_text, used_in
from marketplace.models import HelpfulVote, QualityScore, Rating, RatingEdit
from tests import factories
from tests.marketplace.conftest import Market, audit, report_of

PATH = "/experiences/acme/write-greeting"
API = f"/api/v1{PATH}"
FACTS = {"os.family": "linux", "os.id": "debian", "os.version": "12.11.3", "host.memory_mib": 4096}


def call(method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    return getattr(Client(), method)(path, body or {}, content_type="application/json", headers=headers)


def rated(market: Market, organization: Any = None, **said: Any) -> Rating:
    """A rating of the organization, globex by default, after a reported replay."""
    organization = organization or market.globex
    if organization == market.globex and not market.globex.grants.exists():
        market.grant()
    headers = market.key(organization).headers
    report = report_of(market.public, facts=FACTS)
    assert call("post", f"{API}/reports", headers, report).status_code == 201
    answer = call("put", f"{API}/rating", headers, {"stars": 4, "replay_id": report["replay_id"], **said})
    assert answer.status_code == 201, answer.json()
    return Rating.objects.get(pk=answer.json()["id"])


def test_a_rating_carries_its_answers_and_coarsely_where_it_was_used(market: Market) -> None:
    row = rated(market, text="Good.", held="yes", described="partly", effort_saved="hours")
    [told] = Client().get(f"{API}/ratings").json()["results"]
    assert told == {
        "id": row.pk,
        "experience": "acme/write-greeting",
        "organization": "globex",
        "major": 1,
        "stars": 4,
        "held": "yes",
        "described": "partly",
        "effort_saved": "hours",
        "text": "Good.",
        "outcome": "succeeded",
        "used_in": {"os_id": "debian", "os_version": "12.11", "environment": ""},
        "helpful": 0,
        "reply": None,
        "is_hidden": False,
        "created_at": told["created_at"],
        "changed_at": told["changed_at"],
    }


@pytest.mark.parametrize("answer", [{"held": "maybe"}, {"described": "YES"}, {"effort_saved": "weeks"}, {"stars": 0}])
def test_an_unknown_answer_is_refused(market: Market, answer: dict[str, Any]) -> None:
    row = rated(market)
    body = {"stars": 4, "replay_id": str(row.report.replay_id), **answer}
    response = call("put", f"{API}/rating", market.key(market.globex).headers, body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert RatingEdit.objects.count() == 1


def test_people_of_the_publisher_do_not_rate_it_for_another_organization(market: Market) -> None:
    row = rated(market)
    insider = factories.owner_of(market.globex)
    Membership.objects.create(person=insider, organization=market.acme, role="viewer")
    page = market.signed_in(market.globex).post(f"{PATH}/rate", {"replay_id": row.report.replay_id, "stars": 5})
    assert page.status_code == 403
    row.refresh_from_db()
    assert row.stars == 4


def test_every_form_is_kept_and_the_database_refuses_to_change_it(market: Market) -> None:
    row = rated(market, text="My address is 1 Main Street.")
    body = {"stars": 2, "text": "Better not.", "replay_id": str(row.report.replay_id)}
    assert call("put", f"{API}/rating", market.key(market.globex).headers, body).status_code == 200
    assert [edit.content["stars"] for edit in RatingEdit.objects.order_by("pk")] == [4, 2]
    for change in (lambda rows: rows.update(part="reply"), lambda rows: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change(RatingEdit.objects.all())
    shown = Client().get(f"/ratings/{row.pk}").content.decode()
    assert "1 Main Street" not in shown
    assert "Earlier texts are kept for moderation." in shown
    assert "1 Main Street" in market.signed_in(market.globex).get(f"/ratings/{row.pk}").content.decode()


def test_the_publisher_answers_and_takes_it_back(market: Market) -> None:
    row = rated(market)
    headers = market.key(market.acme).headers
    answer = call("put", f"/api/v1/ratings/{row.pk}/reply", headers, {"text": "Thank you."})
    assert (answer.status_code, answer.json()["reply"]["text"]) == (200, "Thank you.")
    assert "Thank you." in Client().get(PATH).content.decode()
    again = call("put", f"/api/v1/ratings/{row.pk}/reply", headers, {"text": ""})
    assert again.json()["reply"] is None
    written = RatingEdit.objects.filter(part="reply").order_by("pk")
    assert [edit.content for edit in written] == [{"text": "Thank you."}, {"text": ""}]
    assert len(audit("rating.reply")) == 2


@pytest.mark.parametrize("who", ["globex", "initech"])
def test_nobody_else_answers_for_the_publisher(market: Market, who: str) -> None:
    row = rated(market)
    response = call("put", f"/api/v1/ratings/{row.pk}/reply", market.key(getattr(market, who)).headers, {"text": "No."})
    assert (response.status_code, response.json()["code"]) == (403, "wrong_organization")
    row.refresh_from_db()
    assert (row.reply, RatingEdit.objects.filter(part="reply").count()) == ("", 0)


def test_a_helpful_voice_counts_once_and_can_be_taken_back(market: Market) -> None:
    row = rated(market)
    path, headers = f"/api/v1/ratings/{row.pk}/helpful", market.key(market.initech).headers
    assert [call("put", path, headers).json() for _ in range(2)] == [{"helpful": 1}] * 2
    assert call("put", path, market.key(market.initech).headers).json() == {"helpful": 1}
    assert call("delete", path, headers).json() == {"helpful": 0}


@pytest.mark.parametrize("who", ["globex", "acme"])
def test_neither_author_nor_publisher_finds_it_helpful(market: Market, who: str) -> None:
    row = rated(market)
    response = call("put", f"/api/v1/ratings/{row.pk}/helpful", market.key(getattr(market, who)).headers)
    assert (response.status_code, response.json()["code"]) == (403, "own_rating")
    assert HelpfulVote.objects.count() == 0


def test_one_person_has_one_voice_whatever_organizations_they_have(market: Market) -> None:
    row = rated(market)
    person = factories.owner_of(market.initech)
    factories.organization("second", owner=person)
    client = market.signed_in(market.initech)
    assert client.post(f"/ratings/{row.pk}", {"do": "helpful"}).status_code == 302
    client.post("/acting-organization", {"organization": "second"})
    assert client.post(f"/ratings/{row.pk}", {"do": "helpful"}).status_code == 409
    assert HelpfulVote.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_voted_many_times_at_once_there_is_one_voice(market: Market) -> None:
    row, headers, statuses = rated(market), market.key(market.initech).headers, []

    def run() -> None:
        try:
            statuses.append(call("put", f"/api/v1/ratings/{row.pk}/helpful", headers).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert statuses == [200] * 4
    assert HelpfulVote.objects.count() == 1


def test_who_changes_it_too_often_is_asked_to_wait(market: Market) -> None:
    from marketplace.services.rate import EDITS_LIMIT

    row = rated(market)
    headers = market.key(market.globex).headers
    body = {"replay_id": str(row.report.replay_id)}
    for number in range(EDITS_LIMIT - 1):
        call("put", f"{API}/rating", headers, {**body, "stars": 1 + number % 2})
    assert RatingEdit.objects.count() == EDITS_LIMIT
    response = call("put", f"{API}/rating", headers, {**body, "stars": 5})
    assert (response.status_code, response.json()["code"]) == (429, "too_many_contributions")
    assert 3000 < int(response.headers["Retry-After"]) <= 3600
    assert (RatingEdit.objects.count(), Rating.objects.get().stars) == (EDITS_LIMIT, 1 + (EDITS_LIMIT - 2) % 2)


def test_rated_on_the_page_after_a_replay(market: Market) -> None:
    market.grant()
    client = market.signed_in(market.globex)
    assert "has not reported a replay yet" in client.get(f"{PATH}/rate").content.decode()
    report = report_of(market.public, facts=FACTS)
    call("post", f"{API}/reports", market.key(market.globex).headers, report)
    form = client.get(f"{PATH}/rate")
    assert report["replay_id"] in form.content.decode()
    wrong = client.post(f"{PATH}/rate", {"replay_id": report["replay_id"], "stars": "9"})
    assert (wrong.status_code, Rating.objects.count()) == (400, 0)
    answers = {"stars": "5", "held": "yes", "described": "no", "effort_saved": "days", "text": "すばらしい"}
    done = client.post(f"{PATH}/rate", {"replay_id": report["replay_id"], **answers})
    row = Rating.objects.get()
    assert (done.status_code, done.headers["Location"]) == (302, f"/ratings/{row.pk}")
    assert row.content() == {**answers, "stars": 5}
    shown = Client().get(f"{PATH}/ratings").content.decode()
    assert "すばらしい" in shown
    assert "debian 12.11" in shown


def test_strangers_are_sent_to_sign_in_and_viewers_are_refused(market: Market) -> None:
    assert Client().get(f"{PATH}/rate").status_code == 302
    viewer = factories.person()
    Membership.objects.create(person=viewer, organization=market.globex, role="viewer")
    client = Client()
    client.force_login(viewer)
    assert client.get(f"{PATH}/rate").status_code == 403


def test_ratings_of_what_one_may_not_see_do_not_exist(market: Market) -> None:
    row = rated(market)
    market.public.experience.visibility = "organization"
    market.public.experience.save()
    headers = market.key(market.initech).headers
    for method, path in (
        ("get", f"{API}/ratings"),
        ("put", f"/api/v1/ratings/{row.pk}/helpful"),
        ("put", f"/api/v1/ratings/{row.pk}/reply"),
        ("put", "/api/v1/ratings/999999/helpful"),
    ):
        assert call(method, path, headers).json()["code"] == "not_found"
    assert Client().get(f"/ratings/{row.pk}").status_code == 404


def test_a_rating_asks_for_the_quality_to_be_worked_out(market: Market) -> None:
    rated(market)
    assert QualityScore.objects.get(pk=market.public.experience_id).asked == 2


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("  x\n\n\n\ny  ", "x\n\ny"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("e\u0301", "é"),
        ("tab\tstays", "tab\tstays"),
        ("\ud800x", "x"),
    ],
)
def test_text_is_plain(written: str, kept: str) -> None:
    assert plain_text(written) == kept


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"os.id": "debian", "os.version": "12.11"}, ("debian", "12.11")),
        ({"os.id": "<b>x</b>", "os.version": "1 2"}, ("", "")),
        ({"os.id": ["debian"], "os.version": True}, ("", "")),
        ({"os.version": 12}, ("", "12")),
        ({}, ("", "")),
    ],
)
def test_where_it_was_used_is_told_in_plain_names(facts: dict[str, Any], where: tuple[str, str]) -> None:
    found = used_in(facts, "debian-12")
    assert (found["os_id"], found["os_version"], found["environment_name"]) == (*where, "debian-12")

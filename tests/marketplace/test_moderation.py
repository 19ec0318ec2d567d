"""Complaints from report to appeal: who hears of what, who decides, and what hiding does."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from accounts.models import Membership, OutboxEvent, OutgoingMail, Person
from marketplace.models import Case, CaseEntry, QualityScore, Rating
from marketplace.services.name_reviewer import name_reviewer
from tests import factories
from tests.marketplace.conftest import Market, audit
from tests.marketplace.test_reviews import API, PATH, call, rated

LISTING_REPORTS = f"{API}/abuse-reports"
TEXT = {"reason": "security", "text": "It opens a port to everybody."}


@pytest.fixture
def reviewer(db: None) -> Person:
    person = factories.person("reviewer@example.com", is_staff=True)
    return name_reviewer(email=person.email, is_reviewer=True)


def signed_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def reported(market: Market, organization: Any = None, path: str = LISTING_REPORTS, **said: str) -> Case:
    headers = market.key(organization or market.initech).headers
    answer = call("post", path, headers, {**TEXT, **said})
    assert answer.status_code == 201, answer.json()
    return Case.objects.get(pk=answer.json()["id"])


def decide(case: Case, person: Person, outcome: str = "hidden", **said: str) -> Any:
    body = {"do": outcome, "reason": "security", "text": "It endangers who replays it.", **said}
    return signed_in(person).post(f"/moderation/{case.pk}", body)


def test_a_hidden_experience_is_gone_for_all_but_its_publisher_and_says_why(market: Market, reviewer: Person) -> None:
    market.grant()
    buyer = market.key(market.globex).headers
    case = reported(market)
    assert decide(case, reviewer).status_code == 302
    for headers in ({}, buyer):
        answer = Client().get(API, headers=headers)
        assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (
            404, "experience_hidden", "security",
        )  # fmt: skip
    package = Client().get(f"{API}/versions/1.0.0/package", headers=buyer)
    assert (package.status_code, package.json()["code"]) == (404, "experience_hidden")
    page = Client().get(PATH)
    assert page.status_code == 404
    assert "have hidden acme/write-greeting" in page.content.decode()
    assert Client().get("/badges/acme/write-greeting.svg").status_code == 404
    assert Client().get("/api/v1/experiences").json()["results"] == []
    found = Client().post("/api/v1/search", {"words": "greeting"}, content_type="application/json").json()
    assert found["results"] == []
    own = market.signed_in(market.acme).get(PATH).content.decode()
    assert f"/moderation/{case.pk}" in own
    assert Client().get(API, headers=market.key(market.acme).headers).status_code == 200
    assert [entry.organization_id for entry in audit("moderation.decide")] == [market.acme.pk]
    mail = OutgoingMail.objects.get(to=factories.owner_of(market.acme).email)
    assert mail.subject == "Hidden by moderation: acme/write-greeting"
    assert "It endangers who replays it." in mail.body
    assert f"/moderation/{case.pk}" in mail.body
    event = OutboxEvent.objects.get(kind="moderation.decided")
    assert (event.organization_id, event.data["outcome"], event.data["reason"]) == (
        market.acme.pk, "hidden", "security",
    )  # fmt: skip


def test_what_was_private_reads_as_absent_to_strangers_also_while_hidden(market: Market, reviewer: Person) -> None:
    inner = "/api/v1/experiences/acme/inner-greeting"
    market.private.experience.cases.create(subject="listing", organization=market.acme)
    assert decide(Case.objects.get(), reviewer).status_code == 302
    assert Client().get(inner).json()["code"] == "not_found"


def test_the_publisher_appeals_and_another_reviewer_restores_it(market: Market, reviewer: Person) -> None:
    case = reported(market)
    decide(case, reviewer)
    owner = market.signed_in(market.acme)
    seen = owner.get(f"/moderation/{case.pk}").content.decode()
    assert "It endangers who replays it." in seen
    assert "It opens a port to everybody." not in seen
    assert (
        owner.post(f"/moderation/{case.pk}", {"do": "appeal", "text": "The port is closed since 1.0.1."}).status_code
        == 302
    )
    second = factories.person("second@example.com", is_staff=True)
    name_reviewer(email=second.email, is_reviewer=True)
    refused = decide(case, reviewer, "kept")
    assert (refused.status_code, Case.objects.get().state) == (403, "appealed")
    assert decide(case, second, "kept").status_code == 302
    case.refresh_from_db()
    assert (case.state, case.outcome, case.closed_at is not None) == ("closed", "kept", True)
    assert Client().get(API).status_code == 200
    assert list(case.entries.order_by("pk").values_list("kind", flat=True)) == [
        "report", "decision", "appeal", "closing",
    ]  # fmt: skip
    again = owner.post(f"/moderation/{case.pk}", {"do": "appeal", "text": "Once more."})
    assert again.status_code == 409


def test_a_single_reviewer_decides_the_appeal_too(market: Market, reviewer: Person) -> None:
    case = reported(market)
    decide(case, reviewer)
    headers = market.key(market.acme).headers
    assert call("post", f"/api/v1/cases/{case.pk}/appeal", headers, {"text": "No."}).json()["state"] == "appealed"
    assert decide(case, reviewer).status_code == 302
    case.refresh_from_db()
    assert (case.state, case.outcome) == ("closed", "hidden")
    assert Client().get(API).status_code == 404


def test_a_hidden_rating_is_neither_shown_nor_counted(market: Market, reviewer: Person) -> None:
    row = rated(market, text="Written by a rival.")
    asked = QualityScore.objects.get().asked
    case = reported(market, market.acme, f"/api/v1/ratings/{row.pk}/abuse-reports", reason="deception")
    assert decide(case, reviewer, reason="deception").status_code == 302
    assert Client().get(API).json()["rating"] == {"mean": None, "count": 0}
    assert Client().get(f"{API}/ratings").json()["results"] == []
    assert Client().get(f"/ratings/{row.pk}").status_code == 404
    own = market.signed_in(market.globex).get(f"/ratings/{row.pk}").content.decode()
    assert f"/moderation/{case.pk}" in own
    assert QualityScore.objects.get().asked == asked + 1


def test_a_hidden_answer_leaves_the_rating(market: Market, reviewer: Person) -> None:
    row = rated(market, text="Fine.")
    call("put", f"/api/v1/ratings/{row.pk}/reply", market.key(market.acme).headers, {"text": "You fool."})
    path = f"/api/v1/ratings/{row.pk}/abuse-reports"
    case = reported(market, market.globex, path, reason="abuse", part="reply")
    assert (case.subject, case.organization_id) == ("reply", market.acme.pk)
    decide(case, reviewer, reason="abuse")
    [told] = Client().get(f"{API}/ratings").json()["results"]
    assert (told["text"], told["reply"]) == ("Fine.", None)
    assert "You fool." not in Client().get(f"/ratings/{row.pk}").content.decode()


def test_reports_join_the_open_case_and_each_organization_is_heard_once(market: Market) -> None:
    case = reported(market)
    again = call("post", LISTING_REPORTS, market.key(market.initech).headers, TEXT)
    assert (again.status_code, again.json()["id"]) == (200, str(case.pk))
    assert reported(market, market.globex).pk == case.pk
    assert (Case.objects.count(), CaseEntry.objects.count(), len(audit("abuse.report"))) == (1, 2, 2)


@pytest.mark.django_db(transaction=True)
def test_reported_by_many_at_once_there_is_one_case(market: Market) -> None:
    keys = [market.key(factories.organization()).headers for _ in range(4)]
    found: list[str] = []

    def run(headers: dict[str, str]) -> None:
        try:
            found.append(call("post", LISTING_REPORTS, headers, TEXT).json()["id"])
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[headers]) for headers in keys]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 4
    assert set(found) == {str(Case.objects.get().pk)}
    assert CaseEntry.objects.count() == 4


def test_what_was_reviewed_and_not_changed_is_not_reported_again_by_the_same(market: Market, reviewer: Person) -> None:
    case = reported(market)
    decide(case, reviewer, "kept")
    answer = call("post", LISTING_REPORTS, market.key(market.initech).headers, TEXT)
    assert (answer.status_code, answer.json()["code"], answer.json()["case"]) == (409, "already_reviewed", str(case.pk))
    assert reported(market, market.globex).pk != case.pk


def test_one_organization_reports_twenty_things_a_day(market: Market) -> None:
    from marketplace.services.report_abuse import REPORTS_LIMIT

    for _ in range(REPORTS_LIMIT):
        case = Case.objects.create(
            subject="listing", experience=market.private.experience, organization=market.acme,
            state="decided", outcome="kept", decided_at="2026-01-01T00:00:00Z",
        )  # fmt: skip
        CaseEntry.objects.create(
            case=case, kind="report", organization=market.initech, actor_kind="agent", actor_name="a"
        )
    answer = call("post", LISTING_REPORTS, market.key(market.initech).headers, TEXT)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_contributions")
    assert int(answer.headers["Retry-After"]) > 80_000
    assert Case.objects.filter(state="open").count() == 0


@pytest.mark.parametrize(
    ("who", "body", "status", "code"),
    [
        ("", TEXT, 401, "authentication_required"),
        ("acme", TEXT, 403, "own_contribution"),
        ("initech", {**TEXT, "reason": "dislike"}, 400, "invalid_request"),
        ("initech", {**TEXT, "text": "\u202e\n "}, 422, "complaint_invalid"),
        ("initech", {**TEXT, "text": "x" * 2001}, 400, "invalid_request"),
    ],
)
def test_reports_that_are_refused_leave_nothing(market: Market, who: str, body: Any, status: int, code: str) -> None:
    headers = market.key(getattr(market, who)).headers if who else {}
    answer = call("post", LISTING_REPORTS, headers, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (Case.objects.count(), CaseEntry.objects.count()) == (0, 0)


@pytest.mark.parametrize("view", ["stranger", "bystander", "author", "reporter"])
def test_who_sees_a_case_before_it_is_decided(market: Market, view: str) -> None:
    case = reported(market)
    headers = {
        "stranger": {},
        "bystander": market.key(market.globex).headers,
        "author": market.key(market.acme).headers,
        "reporter": market.key(market.initech).headers,
    }[view]
    answer = Client().get(f"/api/v1/cases/{case.pk}", headers=headers)
    assert answer.status_code == (200 if view == "reporter" else 404)
    absent = Client().get(f"/api/v1/cases/{uuid.uuid4()}", headers=headers).json()
    if view != "reporter":
        assert {**answer.json(), "request_id": ""} == {**absent, "request_id": ""}


def test_who_reported_it_learns_the_outcome_and_not_the_words_to_its_author(market: Market, reviewer: Person) -> None:
    case = reported(market)
    decide(case, reviewer)
    told = Client().get(f"/api/v1/cases/{case.pk}", headers=market.key(market.initech).headers).json()
    assert (told["state"], told["outcome"], told["reason"], told["statement"]) == ("decided", "hidden", "security", "")


def test_only_reviewers_see_the_queue_and_decide(market: Market, reviewer: Person) -> None:
    case = reported(market)
    staff = factories.person(is_staff=True)
    for person, status in ((factories.owner_of(market.initech), 403), (staff, 403), (reviewer, 200)):
        assert signed_in(person).get("/moderation").status_code == status
    assert Client().get("/moderation").status_code == 302
    for person in (factories.owner_of(market.globex), staff, factories.owner_of(market.acme)):
        assert decide(case, person).status_code == 404
    assert decide(case, factories.owner_of(market.initech)).status_code in (403, 404)
    case.refresh_from_db()
    assert (case.state, CaseEntry.objects.count()) == ("open", 1)
    queue = signed_in(reviewer).get("/moderation").content.decode()
    assert str(case.pk) in queue
    assert "It opens a port to everybody." in signed_in(reviewer).get(f"/moderation/{case.pk}").content.decode()


@pytest.mark.parametrize("interest", ["acme", "reported"])
def test_a_reviewer_with_an_interest_does_not_decide(market: Market, reviewer: Person, interest: str) -> None:
    if interest == "acme":
        case = reported(market)
        Membership.objects.create(person=reviewer, organization=market.acme, role="viewer")
    else:
        assert signed_in(reviewer).post(f"{PATH}/report", TEXT).status_code == 302
        case = Case.objects.get()
    assert decide(case, reviewer).status_code == 403
    assert (Case.objects.get().state, Client().get(API).status_code) == ("open", 200)


def test_decided_twice_the_second_is_told(market: Market, reviewer: Person) -> None:
    case = reported(market)
    assert decide(case, reviewer, "kept").status_code == 302
    assert decide(case, reviewer, "hidden").status_code == 409
    assert Client().get(API).status_code == 200


@pytest.mark.parametrize("body", [{"text": " "}, {"reason": "dislike"}, {"do": "burn"}])
def test_a_decision_without_reason_or_words_is_refused(market: Market, reviewer: Person, body: dict[str, str]) -> None:
    case = reported(market)
    assert decide(case, reviewer, **{"outcome": body.pop("do", "hidden"), **body}).status_code in (404, 422)
    assert (Case.objects.get().state, CaseEntry.objects.count()) == ("open", 1)


def test_the_author_does_not_appeal_what_is_open_and_nobody_else_appeals(market: Market, reviewer: Person) -> None:
    case = reported(market)
    path = f"/api/v1/cases/{case.pk}/appeal"
    assert call("post", path, market.key(market.acme).headers, {"text": "No."}).status_code == 404
    decide(case, reviewer)
    assert call("post", path, market.key(market.globex).headers, {"text": "No."}).status_code == 404
    denied = call("post", path, market.key(market.acme, "read").headers, {"text": "No."})
    assert (denied.status_code, denied.json()["code"]) == (403, "scope_missing")
    assert Case.objects.get().state == "decided"


def test_nobody_hears_of_a_complaint_that_came_to_nothing(market: Market, reviewer: Person) -> None:
    decide(reported(market), reviewer, "kept")
    assert not OutgoingMail.objects.filter(subject__contains="acme/write-greeting").exists()
    assert not OutboxEvent.objects.filter(kind="moderation.decided").exists()


def test_a_person_who_reported_is_known_by_name_only_while_they_are_here(market: Market, reviewer: Person) -> None:
    person = factories.owner_of(market.initech)
    assert market.signed_in(market.initech).post(f"{PATH}/report", TEXT).status_code == 302
    case = Case.objects.get()
    assert case.entries.get().actor_name == ""
    assert person.email in signed_in(reviewer).get(f"/moderation/{case.pk}").content.decode()
    Person.objects.filter(pk=person.pk).update(email="deleted-1@deleted.invalid", name="")
    assert person.email not in signed_in(reviewer).get(f"/moderation/{case.pk}").content.decode()


@pytest.mark.django_db(transaction=True)
def test_decided_by_two_at_once_one_decision_counts(market: Market, reviewer: Person) -> None:
    second = factories.person("second@example.com", is_staff=True)
    name_reviewer(email=second.email, is_reviewer=True)
    case, statuses = reported(market), []

    def run(person: Person, outcome: str) -> None:
        try:
            statuses.append(decide(case, person, outcome).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=one) for one in ((reviewer, "hidden"), (second, "kept"))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(statuses) == [302, 409]
    case.refresh_from_db()
    assert case.entries.filter(kind="decision").count() == 1
    assert (Client().get(API).status_code == 404) == (case.outcome == "hidden")


def test_what_was_said_cannot_be_changed(market: Market) -> None:
    reported(market)
    for change in (lambda rows: rows.update(text=""), lambda rows: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change(CaseEntry.objects.all())


def test_operators_name_reviewers_of_their_staff(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    person = factories.person("some@example.com")
    with pytest.raises(CommandError, match="not of the operator's staff"):
        call_command("reviewers", "add", person.email)
    with pytest.raises(CommandError, match="Nobody has an account"):
        call_command("reviewers", "add", "nobody@example.com")
    person.is_staff = True
    person.save()
    call_command("reviewers", "add", person.email)
    call_command("reviewers", "add", person.email)
    capsys.readouterr()
    call_command("reviewers", "list", "--json")
    assert capsys.readouterr().out == '{"reviewers": ["some@example.com"]}\n'
    call_command("reviewers", "remove", person.email)
    assert (len(audit("reviewer.add")), len(audit("reviewer.remove"))) == (1, 1)
    assert signed_in(person).get("/moderation").status_code == 403


def test_reported_on_the_pages(market: Market, reviewer: Person) -> None:
    row = rated(market, text="Spam!")
    client = market.signed_in(market.initech)
    assert client.get(f"/ratings/{row.pk}/report").status_code == 200
    assert client.post(f"/ratings/{row.pk}/report", {"reason": "spam", "text": ""}).status_code == 400
    done = client.post(f"/ratings/{row.pk}/report", {"reason": "spam", "text": "An advertisement."})
    case = Case.objects.get()
    assert (done.status_code, done.headers["Location"]) == (302, f"/moderation/{case.pk}")
    assert "A reviewer has not decided yet." in client.get(done.headers["Location"]).content.decode()
    assert Rating.objects.get().hidden_at is None

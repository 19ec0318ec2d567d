"""What comes back from the field: reports once per replay, ratings only after real use."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from experiences.models import Verification
from marketplace.domain.reports import DIVERGENCE_PAUSE, asks_for_proof, reached_a_step
from marketplace.models import Rating, ReplayReport
from tests import factories
from tests.marketplace.conftest import Market, audit, counts, judge, publish, report_of

REPORTS = "/api/v1/experiences/acme/write-greeting/reports"
RATING = "/api/v1/experiences/acme/write-greeting/rating"


@pytest.fixture
def buyer(market: Market) -> dict[str, str]:
    market.grant()
    return market.key(market.globex).headers


def send(headers: dict[str, str], report: Any) -> Any:
    return Client().post(REPORTS, report, content_type="application/json", headers=headers)


def rate(headers: dict[str, str], **body: Any) -> Any:
    return Client().put(RATING, body, content_type="application/json", headers=headers)


def test_a_report_is_stored_once(market: Market, buyer: dict[str, str]) -> None:
    report = report_of(market.public)
    first, again = send(buyer, report), send(buyer, report)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    [row] = ReplayReport.objects.all()
    assert (str(row.replay_id), row.outcome, row.version_id) == (report["replay_id"], "succeeded", market.public.id)
    assert row.organization_id == market.globex.id
    assert len(audit("report.submit")) == 1


@pytest.mark.django_db(transaction=True)
def test_sent_twice_at_once_it_is_stored_once(market: Market, buyer: dict[str, str]) -> None:
    report, statuses = report_of(market.public), []

    def run() -> None:
        try:
            statuses.append(send(buyer, report).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(statuses) == [200, 200, 200, 201]
    assert ReplayReport.objects.count() == 1
    assert len(audit("report.submit")) == 1


def test_two_organizations_may_use_the_same_replay_id(market: Market, buyer: dict[str, str]) -> None:
    report = report_of(market.public)
    assert send(buyer, report).status_code == 201
    assert send(market.key(market.acme).headers, report).status_code == 201


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"experience": "acme/inner-greeting"}, 422, "report_of_another"),
        ({"experience": "write-greeting"}, 422, "report_of_another"),
        ({"version": "9.9.9"}, 422, "report_digest_unknown"),
        ({"digest": "sha256:" + "0" * 64}, 422, "report_digest_unknown"),
        ({"replay_id": "not-a-uuid"}, 422, "replay_id_malformed"),
        ({"outcome": "wonderful"}, 422, "report_malformed"),
        ({"surprise": 1}, 422, "report_malformed"),
        ({"steps": [{"id": 5}]}, 422, "report_malformed"),
        ({"started_at": "yesterday"}, 422, "report_malformed"),
    ],
)
def test_a_report_about_something_else_is_refused(
    market: Market, buyer: dict[str, str], change: dict[str, Any], status: int, code: str
) -> None:
    before = counts()
    response = send(buyer, report_of(market.public, **change))
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert counts() == before


def test_a_replay_id_stands_for_one_replay_only(market: Market, buyer: dict[str, str]) -> None:
    report = report_of(market.public)
    send(buyer, report)
    response = send(buyer, {**report, "outcome": "failed"})
    assert (response.status_code, response.json()["code"]) == (409, "replay_id_taken")
    assert ReplayReport.objects.get().outcome == "succeeded"


def test_reports_that_diverge_ask_for_a_new_proof_at_the_second_and_once_a_day(
    market: Market, buyer: dict[str, str]
) -> None:
    judge(market.public)
    asked = Verification.objects.filter(version=market.public, trigger="divergence")
    send(buyer, report_of(market.public, outcome="refused", steps=[]))
    send(buyer, report_of(market.public, outcome="diverged"))
    assert asked.count() == 0
    send(buyer, report_of(market.public, outcome="failed"))
    assert [(row.environment_name, row.state) for row in asked] == [("debian-12", "queued")]
    judge_again = asked.get()
    Verification.objects.filter(pk=judge_again.pk).update(
        state="done", verdict="passed", started_at=timezone.now(), finished_at=timezone.now()
    )
    for _ in range(3):
        send(buyer, report_of(market.public, outcome="diverged"))
    assert asked.count() == 1


def test_a_policy_may_ask_for_a_new_proof_at_the_first_one(market: Market, buyer: dict[str, str]) -> None:
    from experiences.services.set_reverification import set_reverification

    judge(market.public)
    set_reverification(
        actor=factories.owner_actor(market.acme), organization=market.acme, topic="text", diverging_reports=1
    )
    send(buyer, report_of(market.public, outcome="diverged"))
    assert Verification.objects.filter(version=market.public, trigger="divergence").count() == 1


def test_the_threshold_and_the_pause() -> None:
    now = timezone.now()
    assert not asks_for_proof(troubles=1, enough=2, last_asked_at=None, now=now)
    assert asks_for_proof(troubles=2, enough=2, last_asked_at=None, now=now)
    assert not asks_for_proof(troubles=99, enough=2, last_asked_at=now - DIVERGENCE_PAUSE / 2, now=now)
    assert asks_for_proof(troubles=2, enough=2, last_asked_at=now - DIVERGENCE_PAUSE, now=now)


@pytest.mark.parametrize(
    ("outcome", "statuses", "reached"),
    [
        ("succeeded", [], True),
        ("refused", [], False),
        ("refused", ["not_run", "not_run"], False),
        ("diverged", ["not_run", "skipped"], False),
        ("diverged", ["succeeded", "diverged"], True),
        ("failed", ["failed", "not_run"], True),
        ("error", [], False),
    ],
)
def test_what_counts_as_having_used_it(outcome: str, statuses: list[str], reached: bool) -> None:
    assert reached_a_step(outcome, [{"status": status} for status in statuses]) is reached


def test_a_rating_follows_a_reported_replay_and_can_be_changed(market: Market, buyer: dict[str, str]) -> None:
    report = report_of(market.public)
    send(buyer, report)
    first = rate(buyer, stars=5, text="良い", replay_id=report["replay_id"])
    assert (first.status_code, first.json()["stars"], first.json()["major"]) == (201, 5, 1)
    same = rate(buyer, stars=5, text="良い", replay_id=report["replay_id"])
    assert (same.status_code, same.json()) == (200, first.json())
    changed = rate(buyer, stars=3, replay_id=report["replay_id"])
    assert (changed.status_code, changed.json()["stars"], changed.json()["text"]) == (200, 3, "")
    [row] = Rating.objects.all()
    assert (row.stars, row.organization_id) == (3, market.globex.id)
    assert (len(audit("rating.create")), len(audit("rating.change"))) == (1, 1)
    detail = Client().get("/api/v1/experiences/acme/write-greeting").json()
    assert detail["rating"] == {"mean": 3.0, "count": 1}


@pytest.mark.django_db(transaction=True)
def test_rated_twice_at_once_there_is_one_rating(market: Market, buyer: dict[str, str]) -> None:
    report, statuses = report_of(market.public), []
    send(buyer, report)

    def run(stars: int) -> None:
        try:
            statuses.append(rate(buyer, stars=stars, replay_id=report["replay_id"]).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[stars]) for stars in (1, 2, 3, 4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(statuses) == [200, 200, 200, 201]
    assert Rating.objects.count() == 1
    assert len(audit("rating.create")) == 1


def test_each_version_line_is_rated_by_itself(market: Market, buyer: dict[str, str]) -> None:
    second = publish(market.acme, version="2.0.0")
    for version in (market.public, second):
        report = report_of(version)
        assert send(buyer, report).status_code == 201
        assert rate(buyer, stars=version.major + 3, replay_id=report["replay_id"]).status_code == 201
    assert sorted(Rating.objects.values_list("major", "stars")) == [(1, 4), (2, 5)]


@pytest.mark.parametrize("report", [{"outcome": "refused", "steps": []}, {"outcome": "error", "steps": []}])
def test_a_replay_that_reached_no_step_rates_nothing(
    market: Market, buyer: dict[str, str], report: dict[str, Any]
) -> None:
    sent = report_of(market.public, **report)
    assert send(buyer, sent).status_code == 201
    response = rate(buyer, stars=1, replay_id=sent["replay_id"])
    assert (response.status_code, response.json()["code"]) == (403, "replay_reached_no_step")
    assert Rating.objects.count() == 0


def test_nobody_rates_with_the_replay_of_another_organization(market: Market, buyer: dict[str, str]) -> None:
    report = report_of(market.public)
    send(buyer, report)
    response = rate(market.key(market.initech).headers, stars=1, replay_id=report["replay_id"])
    assert (response.status_code, response.json()["code"]) == (403, "replay_not_reported")
    assert Rating.objects.count() == 0


def test_a_replay_of_another_experience_rates_nothing_here(market: Market) -> None:
    other = publish(market.globex, name="other")
    headers = market.key(market.globex).headers
    report = report_of(other)
    path = "/api/v1/experiences/globex/other/reports"
    assert Client().post(path, report, content_type="application/json", headers=headers).status_code == 201
    response = rate(headers, stars=5, replay_id=report["replay_id"])
    assert (response.status_code, response.json()["code"]) == (403, "replay_not_reported")


@pytest.mark.parametrize("scope", ["read", "download", "rate"])
def test_reporting_needs_its_scope(market: Market, scope: str) -> None:
    market.grant()
    response = send(market.key(market.globex, scope).headers, report_of(market.public))
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert ReplayReport.objects.count() == 0


def test_rating_needs_its_scope(market: Market) -> None:
    market.grant()
    response = rate(market.key(market.globex, "read").headers, stars=5, replay_id=str(uuid.uuid4()))
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")

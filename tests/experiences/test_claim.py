"""One worker has a row at a time; a silent one loses it; a late one writes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Organization
from experiences.domain.progress import Entries
from experiences.models import Attestation, ScenarioResult, Verification
from experiences.services.claim import QUARANTINE_ATTEMPTS, claim, extend_lease, give_back, release_stale
from experiences.services.conclude import conclude
from experiences.services.verify import kept_alive
from experiences.services.write_progress import ProgressWriter
from tests import factories
from tests.experiences.conftest import at_once, publish, seen
from tests.journeys.conftest import wait_until


def queue(organization: Organization, name: str, **changes: Any) -> Verification:
    version = publish(organization, name=name)
    row = Verification.objects.get(version=version)
    Verification.objects.filter(pk=row.pk).update(**changes)
    return row


def go_stale(row: Verification) -> None:
    Verification.objects.filter(pk=row.pk).update(lease_until=Now() - timedelta(seconds=1))


def test_a_claimed_row_runs_under_a_lease_of_its_own(acme: Organization, settings: Any) -> None:
    waiting = queue(acme, "one", operator_note="old news")
    row = claim(environments=["debian-12"], worker="tester")
    assert row is not None
    assert (row.pk, row.state, row.attempts, row.worker, row.operator_note) == (waiting.pk, "running", 1, "tester", "")
    assert row.lease_token is not None
    assert row.lease_until is not None
    left = (row.lease_until - timezone.now()).total_seconds()
    assert settings.KEIKEN.lease_seconds - 10 < left <= settings.KEIKEN.lease_seconds
    assert claim(environments=["debian-12"]) is None


def test_the_most_urgent_row_comes_first_and_among_equals_the_oldest(acme: Organization) -> None:
    then = timezone.now() - timedelta(hours=1)
    late, early, urgent = (
        queue(acme, "late", priority=0, not_before=then),
        queue(acme, "early", priority=0, not_before=then - timedelta(hours=1)),
        queue(acme, "urgent", priority=10),
    )
    order = [claim(environments=["debian-12"]) for _number in range(3)]
    assert [row.pk for row in order if row] == [urgent.pk, early.pk, late.pk]


def test_a_row_for_later_or_for_another_environment_waits(acme: Organization) -> None:
    queue(acme, "later", not_before=timezone.now() + timedelta(minutes=1))
    elsewhere = queue(acme, "elsewhere", environment_name="debian-12-web")
    assert claim(environments=["debian-12"]) is None
    row = claim(environments=["debian-12", "debian-12-web"])
    assert row is not None
    assert row.pk == elsewhere.pk


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_never_share_a_row() -> None:
    acme = factories.organization("acme")
    rows = {queue(acme, f"number-{number}").pk for number in range(3)}
    results = at_once(*[lambda: claim(environments=["debian-12"])] * 6)
    assert not [result for result in results if isinstance(result, Exception)]
    claimed = [result.pk for result in results if result is not None]
    assert sorted(claimed) == sorted(rows)
    assert set(Verification.objects.values_list("attempts", flat=True)) == {1}


def test_a_late_worker_writes_nothing_over_the_one_that_took_over(acme: Organization) -> None:
    queue(acme, "one")
    late = claim(environments=["debian-12"], worker="late")
    assert late is not None
    go_stale(late)
    assert release_stale() == 1
    successor = claim(environments=["debian-12"], worker="successor")
    assert successor is not None
    assert (successor.pk, successor.attempts) == (late.pk, 2)

    assert not extend_lease(late)
    assert not conclude(late, seen({"greets": "failed", "refuses another family": "passed"}))
    assert not give_back(late, note="late", seconds=0, burns_attempt=True)
    successor.refresh_from_db()
    assert (successor.state, successor.worker, successor.verdict, successor.operator_note) == (
        "running",
        "successor",
        "",
        "",
    )
    assert ScenarioResult.objects.count() == 0

    assert conclude(successor, seen({"greets": "passed", "refuses another family": "passed"}))
    assert not conclude(late, seen({"greets": "failed", "refuses another family": "passed"}))
    assert not conclude(successor, seen({"greets": "failed"}))
    successor.refresh_from_db()
    assert (successor.state, successor.verdict, successor.lease_token) == ("done", "passed", None)
    assert sorted(successor.results.values_list("verdict", flat=True)) == ["passed", "passed"]
    assert Attestation.objects.count() == 0


def test_a_late_worker_that_comes_before_its_successor_writes_nothing(acme: Organization) -> None:
    queue(acme, "one")
    late = claim(environments=["debian-12"])
    assert late is not None
    go_stale(late)
    release_stale()
    assert not conclude(late, seen({"greets": "passed"}))
    late.refresh_from_db()
    assert (late.state, late.verdict) == ("queued", "")


def test_a_lease_that_is_alive_is_left_alone(acme: Organization) -> None:
    queue(acme, "one")
    row = claim(environments=["debian-12"])
    assert row is not None
    assert release_stale() == 0
    assert extend_lease(row)


def test_what_outlives_several_workers_waits_longer_each_time(acme: Organization) -> None:
    queue(acme, "one")
    pauses = []
    for _number in range(QUARANTINE_ATTEMPTS):
        Verification.objects.update(not_before=Now() - timedelta(seconds=1))
        row = claim(environments=["debian-12"])
        assert row is not None
        go_stale(row)
        release_stale()
        row.refresh_from_db()
        assert row.state == "queued"
        pauses.append((row.not_before - timezone.now()).total_seconds())
        assert (row.quarantined_at is not None) == (row.attempts == QUARANTINE_ATTEMPTS)
    least = [0, 60, 300, 1800, 21600, 21600]
    assert all(low - 2 < pause <= low * 1.25 for low, pause in zip(least, pauses, strict=True))
    Verification.objects.update(not_before=Now() - timedelta(seconds=1))
    assert claim(environments=["debian-12"]) is None


def test_giving_back_without_an_attempt_does_not_count_it(acme: Organization) -> None:
    queue(acme, "one")
    row = claim(environments=["debian-12"])
    assert row is not None
    assert give_back(row, note="no \0 sandbox", seconds=60, burns_attempt=False)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.operator_note) == ("queued", 0, "no \ufffd sandbox")
    assert claim(environments=["debian-12"]) is None


@pytest.mark.django_db(transaction=True)
def test_a_slow_proof_keeps_its_lease_through_a_database_that_was_away(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"lease_seconds": 1})
    queue(factories.organization("acme"), "one")
    row = claim(environments=["debian-12"])
    assert row is not None
    calls: list[bool] = []

    def flaky(held: Verification) -> bool:
        calls.append(True)
        if len(calls) == 1:
            raise OperationalError("the database is restarting")
        settings.KEIKEN = settings.KEIKEN.model_copy(update={"lease_seconds": 60})
        return extend_lease(held)

    monkeypatch.setattr("experiences.services.verify.extend_lease", flaky)
    first = row.lease_until
    with kept_alive(row, ProgressWriter(row, Entries())):
        assert first is not None
        wait_until(lambda: len(calls) >= 3 and timezone.now() > first, "the first lease is over")
        assert release_stale() == 0
    row.refresh_from_db()
    assert row.lease_until is not None
    assert row.lease_until > first


@pytest.mark.django_db(transaction=True)
def test_a_proof_that_hangs_loses_its_lease_although_its_worker_lives(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"lease_seconds": 1})
    monkeypatch.setattr("experiences.services.verify.KEPT_SECONDS", 0.5)
    queue(factories.organization("acme"), "one")
    row = claim(environments=["debian-12"])
    assert row is not None
    with kept_alive(row, ProgressWriter(row, Entries())):
        wait_until(lambda: release_stale() == 1, "nobody holds the lease any more")

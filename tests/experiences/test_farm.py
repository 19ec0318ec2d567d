"""The farm: who may take what, whose turn it is, what is set aside, and how an operator steers it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEntry
from experiences import tasks
from experiences.models import Verification, Version, Worker
from experiences.services.announce import Holding, announce, claimable, forget_gone, held_somewhere, look_around
from experiences.services.claim import JITTER, RETRY_SECONDS, claim, pause_seconds
from experiences.services.nudge import nudge
from experiences.services.queueing import PRIORITIES
from tests import factories
from tests.experiences.conftest import DIGEST, publish

HERE = Holding(driver="bubblewrap", isolation="namespace", environments={"debian-12": DIGEST})
NOWHERE = Holding(lacking={"debian-12": "No sandbox works here. Install bubblewrap."})


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("verification", *arguments, stdout=out)
    return out.getvalue()


def queue(version: Version, count: int, trigger: str = "publish", *, waited: timedelta = timedelta(0)) -> None:
    """So many more waiting rows of the version's organization, each of a version of its own."""
    start = Version.objects.filter(experience=version.experience).count()
    copies = Version.objects.bulk_create(
        Version(
            experience=version.experience,
            version=f"2.0.{start + number}",
            major=2,
            blob=version.blob,
            manifest=version.manifest,
            skill=version.skill,
            published_by="tests",
        )
        for number in range(count)
    )
    then = timezone.now() - waited
    Verification.objects.bulk_create(
        Verification(
            version=copy,
            environment_name="debian-12",
            trigger=trigger,
            priority=PRIORITIES[trigger],
            not_before=then,
            created_at=then,
        )
        for copy in copies
    )


def turns(count: int) -> Iterator[tuple[str, str]]:
    """Who got the next turns, and for what: ``(organization, trigger)``."""
    for _number in range(count):
        row = claim(environments=["debian-12"])
        assert row is not None
        yield row.version.experience.organization.slug, row.trigger


@pytest.fixture
def two(db: None, sent: list[Any]) -> tuple[Version, Version]:
    """A published version each of a large and a small organization, with nothing queued."""
    versions = publish(factories.organization("large")), publish(factories.organization("small"))
    Verification.objects.all().delete()
    return versions


# --- whose turn it is


def test_one_row_is_taken_second_although_another_organization_has_five_hundred(two: tuple[Version, Version]) -> None:
    large, small = two
    queue(large, 500, waited=timedelta(minutes=1))
    queue(small, 1)
    assert [slug for slug, _trigger in turns(3)] == ["large", "small", "large"]


def test_organizations_that_both_have_plenty_share_evenly(two: tuple[Version, Version]) -> None:
    large, small = two
    queue(large, 60, waited=timedelta(minutes=1))
    queue(small, 20)
    assert Counter(slug for slug, _trigger in turns(40)) == {"large": 20, "small": 20}


def test_a_modest_wish_gets_its_turn_amid_five_hundred_urgent_ones_of_another(two: tuple[Version, Version]) -> None:
    large, small = two
    queue(large, 500)
    queue(small, 1, "age")
    order = list(turns(12))
    assert order.index(("small", "age")) == PRIORITIES["publish"] + 1


def test_within_an_organization_the_trigger_decides(two: tuple[Version, Version]) -> None:
    for trigger in ("age", "request", "divergence", "publish"):
        queue(two[0], 1, trigger)
    assert [trigger for _slug, trigger in turns(4)] == ["publish", "divergence", "request", "age"]


def test_what_has_waited_long_goes_before_what_is_more_urgent(two: tuple[Version, Version]) -> None:
    queue(two[0], 1, "age", waited=timedelta(minutes=166))
    queue(two[0], 5, "publish")
    assert next(turns(1)) == ("large", "age")


def test_turns_of_an_hour_ago_are_forgotten(two: tuple[Version, Version]) -> None:
    large, small = two
    queue(large, 5)
    list(turns(5))
    Verification.objects.update(started_at=timezone.now() - timedelta(hours=1))
    queue(large, 1, "publish")
    queue(small, 1, "request")
    assert next(turns(1)) == ("large", "publish")


def test_a_pause_is_never_shorter_than_its_step_and_never_the_same_for_all() -> None:
    for number, least in enumerate(RETRY_SECONDS, start=1):
        pauses = [pause_seconds(number) for _try in range(50)]
        assert min(pauses) >= least
        assert max(pauses) <= least * (1 + JITTER)
        assert len(set(pauses)) > 40


# --- who holds what


def test_a_worker_takes_only_what_it_holds(two: tuple[Version, Version]) -> None:
    announce(name="north", holding=HERE, slots=2)
    configured = ["debian-12", "debian-12-web"]
    assert claimable(name="north", configured=configured) == ["debian-12"]
    assert held_somewhere() == {"debian-12"}


def test_a_worker_that_never_announced_itself_looks_first(db: None) -> None:
    assert claimable(name="south", configured=["debian-12", "plan-9"]) == ["debian-12"]
    worker = Worker.objects.get()
    assert (worker.name, worker.driver, list(worker.environments)) == ("south", "bubblewrap", ["debian-12"])
    assert worker.environments["debian-12"].startswith("sha256:")
    assert "There is no environment 'plan-9'" in worker.note


def test_what_it_holds_is_tried_and_not_believed() -> None:
    holding = look_around(["debian-12", "plan-9"])
    assert (holding.driver, holding.isolation, sorted(holding.lacking)) == ("bubblewrap", "namespace", ["plan-9"])


def test_rows_say_why_when_no_live_worker_has_their_environment(two: tuple[Version, Version]) -> None:
    queue(two[0], 1)
    announce(name="north", holding=HERE, slots=1)
    announce(name="south", holding=NOWHERE, slots=1)
    assert Verification.objects.get().operator_note == ""
    Worker.objects.filter(name="north").update(seen_at=timezone.now() - timedelta(minutes=5))
    announce(name="south", holding=NOWHERE, slots=1)
    assert Verification.objects.get().operator_note == "No sandbox works here. Install bubblewrap."


def test_a_worker_that_went_silent_holds_nothing(two: tuple[Version, Version]) -> None:
    queue(two[0], 1, waited=timedelta(minutes=5))
    announce(name="north", holding=HERE, slots=1)
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    nudge()
    assert Verification.objects.get().operator_note.startswith("No live worker holds the environment 'debian-12'.")
    assert forget_gone() == 0
    Worker.objects.update(seen_at=timezone.now() - timedelta(days=2))
    assert tasks.forget_gone_workers() == 1


# --- the operator


def test_status_shows_workers_with_what_they_hold(db: None) -> None:
    announce(name="north@one", holding=HERE, slots=2)
    announce(name="south@two", holding=NOWHERE, slots=1)
    Worker.objects.filter(name="south@two").update(seen_at=timezone.now() - timedelta(hours=1))
    lines = command("status").splitlines()
    assert lines[1].startswith("worker north@one: live, seen ")
    assert lines[1].endswith("bubblewrap, 2 slots: debian-12 (eeeeeeeeeeee)")
    assert lines[2].startswith("worker south@two: gone, seen ")
    assert lines[3] == "    No sandbox works here. Install bubblewrap."
    assert [row["is_gone"] for row in json.loads(command("status", "--json"))["workers"]] == [False, True]


def quarantined(version: Version) -> Verification:
    queue(version, 1)
    Verification.objects.update(quarantined_at=timezone.now(), attempts=6, operator_note="No space left on device")
    return Verification.objects.get()


def test_nothing_takes_a_row_in_quarantine_until_an_operator_retries_it(
    two: tuple[Version, Version], sent: list[Any]
) -> None:
    row = quarantined(two[0])
    assert claim(environments=["debian-12"]) is None
    assert nudge()["waiting"] == 0
    lines = command("status").splitlines()
    assert lines[1].endswith("in debian-12: quarantined (attempts: 6)")
    assert lines[2] == f"    try it again with: manage.py verification retry {row.pk}"
    assert lines[3] == "    No space left on device"
    assert command("retry") == "1 verifications are tried again.\n"
    again = claim(environments=["debian-12"])
    assert again is not None
    assert (again.pk, again.attempts, again.quarantined_at) == (row.pk, 1, None)
    entry = AuditEntry.objects.get(action="verification.retry")
    assert entry.details["note"] == "No space left on device"


def test_a_retry_of_what_does_not_wait_changes_nothing(two: tuple[Version, Version]) -> None:
    row = quarantined(two[0])
    with pytest.raises(CommandError, match="None of these verifications waits"):
        command("retry", "00000000-0000-0000-0000-000000000000")
    row.refresh_from_db()
    assert row.attempts == 6


def test_a_drained_worker_claims_nothing_and_finishes_what_it_has(two: tuple[Version, Version]) -> None:
    announce(name="north", holding=HERE, slots=1)
    queue(two[0], 2)
    held = claim(environments=["debian-12"], worker="north 17")
    assert held is not None
    with pytest.raises(CommandError, match="1 verifications still run"):
        command("drain", "--timeout", "0.1")
    announce(name="north", holding=HERE, slots=1)
    assert claimable(name="north", configured=["debian-12"]) == []
    Verification.objects.filter(pk=held.pk).update(state="queued", lease_token=None)
    assert command("drain", "--worker", "north").startswith("Drained")
    assert command("resume") == "Verifications are claimed again.\n"
    assert claimable(name="north", configured=["debian-12"]) == ["debian-12"]
    with pytest.raises(CommandError, match="There is no such worker"):
        command("drain", "--worker", "west")


def test_a_claim_among_many_rows_is_no_long_work(two: tuple[Version, Version]) -> None:
    queue(two[0], 3000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    started = timezone.now()
    assert len(list(turns(10))) == 10
    assert (timezone.now() - started).total_seconds() < 60

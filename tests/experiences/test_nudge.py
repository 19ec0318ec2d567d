"""Lost messages, silent workers and missing attestations cost time and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as configured
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Organization
from experiences import tasks
from experiences.models import Attestation, PublicKey, Verification, Version
from experiences.services.announce import Holding, announce
from experiences.services.attest import attest
from experiences.services.claim import claim
from experiences.services.nudge import nudge
from experiences.services.queueing import MESSAGES, room_in, send
from experiences.services.reverify_by_age import reverify_by_age
from tests.experiences.conftest import DIGEST, concluded, open_row, publish


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


@pytest.fixture
def broker() -> redis.Redis:
    """The real broker of this test process, emptied."""
    server = redis.Redis.from_url(configured.REDIS_URL)
    server.flushdb()
    return server


def test_a_waiting_row_gets_its_message_again(version: Version, sent: list[Any]) -> None:
    sent.clear()
    assert nudge() == {"released": 0, "waiting": 1, "unsigned": 0}
    assert ("verify", ()) in sent


def test_a_row_that_waits_for_later_gets_none(version: Version, sent: list[Any]) -> None:
    Verification.objects.update(not_before=timezone.now() + timedelta(minutes=1))
    sent.clear()
    assert nudge()["waiting"] == 0
    assert ("verify", ()) not in sent


def test_a_silent_workers_row_is_queued_again_and_nudged(version: Version, sent: list[Any]) -> None:
    row = claim(environments=["debian-12"])
    assert row is not None
    Verification.objects.update(lease_until=Now() - timedelta(seconds=1))
    sent.clear()
    assert nudge() == {"released": 1, "waiting": 1, "unsigned": 0}
    assert ("verify", ()) in sent
    row.refresh_from_db()
    assert (row.state, row.lease_token, row.operator_note) == ("queued", None, "The worker that held it went silent.")


def test_an_attestation_whose_message_was_lost_is_asked_for_again(version: Version, sent: list[Any]) -> None:
    row = concluded(version)
    sent.clear()
    assert nudge()["unsigned"] == 1
    assert sent == [("attest", (str(row.pk),))]
    attest(verification_id=str(row.pk))
    sent.clear()
    assert nudge()["unsigned"] == 0
    assert sent == []
    assert Attestation.objects.count() == 1


def test_a_site_without_a_key_asks_the_signing_worker_to_make_one(db: None, sent: list[Any]) -> None:
    nudge()
    assert sent == [("record_signing_key", ())]
    assert tasks.record_signing_key() == PublicKey.objects.get().key_id
    sent.clear()
    nudge()
    assert sent == []


def test_nudging_again_and_again_does_not_fill_the_broker(acme: Organization, broker: redis.Redis) -> None:
    for number in range(3):
        publish(acme, name=f"number-{number}")
    for _number in range(30):
        nudge()
    assert broker.llen("verify") == MESSAGES
    assert room_in("verify") == 0


def test_a_flushed_broker_is_filled_again(version: Version, broker: redis.Redis) -> None:
    nudge()
    assert broker.llen("verify") == 1
    broker.flushdb()
    nudge()
    assert broker.llen("verify") == 1


def test_an_unused_queue_has_room(broker: redis.Redis) -> None:
    assert room_in("never-used") == MESSAGES
    send("experiences.tasks.verify", "verify", [(), ()])
    assert room_in("verify") == MESSAGES - 2


def test_an_environment_that_nobody_holds_is_named_after_a_while(acme: Organization, sent: list[Any]) -> None:
    scenarios = [{"name": "greets", "environments": ["debian-12", "debain-12"], "parameters": {"who": "Keiko"}}]
    publish(acme, scenarios=scenarios)
    announce(name="north", holding=Holding(environments={"debian-12": DIGEST}), slots=1)
    nudge()
    assert set(Verification.objects.values_list("operator_note", flat=True)) == {""}
    Verification.objects.update(not_before=timezone.now() - timedelta(minutes=3))
    nudge()
    notes = dict(Verification.objects.values_list("environment_name", "operator_note"))
    assert notes["debian-12"] == ""
    assert notes["debain-12"].startswith("No live worker holds the environment 'debain-12'.")


# --- re-verification by age


def aged(row: Verification, days: float) -> None:
    Verification.objects.filter(pk=row.pk).update(finished_at=timezone.now() - timedelta(days=days))


def test_a_verdict_is_renewed_before_it_expires(version: Version, settings: Any) -> None:
    row = concluded(version)
    aged(row, settings.KEIKEN.reverify_days * 0.79)
    assert reverify_by_age() == 0
    aged(row, settings.KEIKEN.reverify_days * 0.81)
    assert reverify_by_age() == 1
    assert reverify_by_age() == 0
    fresh = Verification.objects.get(state="queued")
    assert (fresh.trigger, fresh.priority, fresh.version_id) == ("age", 0, version.pk)


def test_only_the_last_verdict_counts(version: Version) -> None:
    aged(concluded(version), 100)
    concluded(version)
    assert reverify_by_age() == 0


def test_what_nobody_is_led_to_is_not_proven_again(acme: Organization, version: Version) -> None:
    aged(concluded(version), 100)
    publish(acme, version="1.1.0")
    assert reverify_by_age() == 0


def test_the_oldest_ones_come_first_when_there_are_too_many(
    acme: Organization, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = publish(acme, name="other")
    aged(concluded(version), 100)
    aged(concluded(other), 200)
    monkeypatch.setattr("experiences.services.reverify_by_age.AT_ONCE", 1)
    assert reverify_by_age() == 1
    assert open_row(other).trigger == "age"
    assert Verification.objects.filter(state="queued").count() == 1

"""Each way a license ends or does not reach has its own code, the same at every door, and says what to do next."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keiken.trust import SigningKey
from licensing.models import CountedReplay, Grant, Offer, Seat
from licensing.services.permissions import take_permissions
from tests import factories
from tests.marketplace.conftest import Market, counts, report_of

VERSION = "/api/v1/experiences/acme/write-greeting/versions/1.0.0"
NOW = timezone.now()


def _changed(**changes: object) -> Callable[[Market], object]:
    return lambda market: Grant.objects.update(**changes)


def _seat_of_another(market: Market) -> None:
    Offer.objects.filter(pk=market.offer.pk).update(seats=1)
    other = market.key(market.globex)
    assert other.row.agent is not None
    Seat.objects.create(grant=Grant.objects.get(), agent=other.row.agent)


STATES: dict[str, tuple[Callable[[Market], object], str]] = {
    "revoked": (lambda market: market.revoke(Grant.objects.get()), "license_revoked"),
    "refunded": (_changed(revoked_at=NOW, revoked_code="license_refunded"), "license_refunded"),
    "disputed and lost": (_changed(revoked_at=NOW, revoked_code="license_disputed"), "license_disputed"),
    "in dispute": (_changed(frozen_at=NOW), "license_frozen"),
    "expired": (_changed(starts_at=NOW - timedelta(days=9), ends_at=NOW), "license_expired"),
    "for other versions": (lambda market: Offer.objects.update(versions=">=2"), "version_not_licensed"),
    "for another agent": (_seat_of_another, "seats_taken"),
    "never given": (lambda market: Grant.objects.all().delete(), "license_required"),
}


def doors(key: factories.Key) -> dict[str, tuple[int, dict[str, str]]]:
    """Each door's answer: status and document."""
    client, headers = Client(), key.headers
    public = SigningKey.generate().public.as_base64()
    answers = {
        "package": client.get(f"{VERSION}/package", headers=headers),
        "entitlement": client.get(f"{VERSION}/entitlement", headers=headers),
        "license": client.post(
            f"{VERSION}/license", {"receipt_key": public}, content_type="application/json", headers=headers
        ),
    }
    return {name: (answer.status_code, json.loads(answer.content)) for name, answer in answers.items()}


@pytest.mark.parametrize("state", STATES)
def test_every_door_refuses_with_the_same_code(market: Market, state: str) -> None:
    market.grant()
    key = market.key(market.globex)
    bring_about, code = STATES[state]
    bring_about(market)
    for door, (status, problem) in doors(key).items():
        assert (status, problem["code"]) == (403, code), door
        assert problem["advice"], door


def test_a_use_that_was_not_licensed(market: Market) -> None:
    market.grant()
    key = market.key(market.globex)
    take_permissions(Grant.objects.get())
    for door, (status, problem) in doors(key).items():
        assert (status, problem["code"]) == (403, "use_not_licensed"), door


def test_over_the_quota_a_report_is_refused_and_nothing_is_kept(market: Market) -> None:
    grant = market.grant()
    Offer.objects.update(replays_quota=1)
    month = timezone.now().date().replace(day=1)
    CountedReplay.objects.create(grant=grant, receipt_id=uuid.uuid4(), month=month)
    key = market.key(market.globex)
    before = counts()
    answer = Client().post(
        "/api/v1/experiences/acme/write-greeting/reports",
        report_of(market.public),
        content_type="application/json",
        headers=key.headers,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_exhausted")
    assert counts() == before

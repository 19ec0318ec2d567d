"""Many at once, on real connections: what is counted is counted under a lock, and without it the count is wrong."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Model

from accounts.actors import AGENT_SCOPES, Actor
from accounts.domain.refusals import Refusal
from accounts.services.create_agent import create_agent
from licensing.models import Acceptance, CountedReplay, Grant, Offer, Order, Seat
from licensing.services import agreeing, count_replay, place_order, take_seat
from licensing.services.create_offer import Pricing, create_offer
from tests import factories
from tests.experiences.conftest import at_once
from tests.licensing.buying import ledger_sums, new_buyer, offer_of, order, pay
from tests.licensing.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 50
HANDS = 16
"""Threads with a connection each: as many as the server has room for beside other tests."""


def race(calls: list[Callable[[], Any]]) -> list[Any]:
    """What each of the calls gives or refuses; all hands begin at one moment and take one call after the other."""

    def hand(number: int) -> list[Any]:
        results: list[Any] = []
        for call in calls[number::HANDS]:
            try:
                results.append(call())
            except Refusal as refusal:
                results.append(refusal)
        return results

    results = at_once(*[lambda number=number: hand(number) for number in range(HANDS)])
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [item for result in results for item in result]


def codes(results: list[Any]) -> Counter[str]:
    """How many came through (``""``) and how many were refused with which code."""
    return Counter(result.code if isinstance(result, Refusal) else "" for result in results)


def buyers(shop: Shop, offer: Offer) -> list[Callable[[], Order]]:
    actors = [new_buyer(f"buyer-{number}") for number in range(MANY)]
    return [lambda actor=actor: order(shop, offer, actor) for actor in actors]


def agents(shop: Shop) -> list[Actor]:
    owner = factories.owner_actor(shop.globex)
    rows = [create_agent(actor=owner, organization=shop.globex, name=f"agent-{number}") for number in range(MANY)]
    return [
        Actor(
            kind="agent",
            id=row.pk,
            name=row.name,
            organization_id=shop.globex.pk,
            organization_slug="globex",
            group_id=shop.globex.group_id,
            scopes=AGENT_SCOPES,
        )
        for row in rows
    ]


def licensed(shop: Shop, **pricing: Any) -> Grant:
    offer = create_offer(
        actor=shop.publisher, experience=shop.public, terms=shop.terms, kind="free", pricing=Pricing(**pricing)
    )
    return shop.accept(offer)


def test_of_fifty_buyers_ten_get_the_last_ten_licenses(committed_shop: Shop) -> None:
    offer = offer_of(committed_shop, stock=10)
    results = race(buyers(committed_shop, offer))
    assert codes(results) == {"": 10, "sold_out": 40}
    paid = race([lambda row=row: pay(row) for row in results if isinstance(row, Order)])
    assert codes(paid) == {"": 10}
    assert Grant.objects.filter(acceptance__offer=offer, revoked_at__isnull=True).count() == 10
    assert sorted(Order.objects.values_list("number", flat=True)) == list(range(1, 11))
    assert ledger_sums() == {"EUR": 0}


def test_without_the_lock_more_than_ten_are_sold(committed_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreeing, "locked_offer", lambda pk: Offer.objects.get(pk=pk))
    monkeypatch.setattr(place_order, "next_number", lambda: uuid.uuid4().int % 2**31)
    pause_before_writing(monkeypatch, Acceptance)
    offer = offer_of(committed_shop, stock=10)
    assert codes(race(buyers(committed_shop, offer)))[""] > 10


def test_of_fifty_agents_ten_get_a_seat(committed_shop: Shop) -> None:
    grant = licensed(committed_shop, seats=10)
    seated = agents(committed_shop)
    results = race([lambda actor=actor: take_seat.take_seat(actor=actor, grant=grant) for actor in seated])
    assert codes(results) == {"": 10, "seats_taken": 40}
    assert Seat.objects.filter(grant=grant, released_at__isnull=True).count() == 10


def test_without_the_lock_more_than_ten_are_seated(committed_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_seat, "locked_grant", unlocked_grant)
    pause_before_writing(monkeypatch, Seat)
    grant = licensed(committed_shop, seats=10)
    seated = agents(committed_shop)
    results = race([lambda actor=actor: take_seat.take_seat(actor=actor, grant=grant) for actor in seated])
    assert codes(results)[""] > 10


def two_hundred(grant: Grant) -> list[Callable[[], CountedReplay]]:
    return [lambda: count_replay.count_replay(grant=grant, receipt_id=uuid.uuid4())] * 200


def test_of_two_hundred_replays_one_hundred_are_counted(committed_shop: Shop) -> None:
    grant = licensed(committed_shop, replays_quota=100)
    results = race(two_hundred(grant))
    assert codes(results) == {"": 100, "quota_exhausted": 100}
    assert CountedReplay.objects.filter(grant=grant).count() == 100


def test_without_the_lock_more_than_one_hundred_are_counted(
    committed_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count_replay, "locked_grant", unlocked_grant)
    pause_before_writing(monkeypatch, CountedReplay)
    grant = licensed(committed_shop, replays_quota=100)
    assert codes(race(two_hundred(grant)))[""] > 100


def unlocked_grant(pk: uuid.UUID) -> Grant:
    """As if nobody else counted."""
    return Grant.objects.select_related("acceptance__offer__terms").get(pk=pk)


def pause_before_writing(monkeypatch: pytest.MonkeyPatch, model: type[Model]) -> None:
    """Stands for a busy machine, on which others run between the look at what is left and the taking of it."""
    create = model.objects.create

    def late(**fields: Any) -> Model:
        time.sleep(0.05)
        return create(**fields)

    monkeypatch.setattr(model.objects, "create", late)


def test_the_same_receipt_from_many_hands_is_counted_once(committed_shop: Shop) -> None:
    grant = licensed(committed_shop, replays_quota=100)
    receipt = uuid.uuid4()
    results = race([lambda: count_replay.count_replay(grant=grant, receipt_id=receipt)] * 20)
    assert {row.pk for row in results} == {CountedReplay.objects.get().pk}


def test_a_double_click_buys_once(committed_shop: Shop) -> None:
    offer = offer_of(committed_shop)
    results = race([lambda: order(committed_shop, offer)] * 10)
    assert {row.pk for row in results} == {Order.objects.get().pk}
    paid = race([lambda: pay(results[0])] * 10)
    assert codes(paid) == {"": 10}
    assert Grant.objects.get(acceptance__offer=offer).organization == committed_shop.globex
    assert Order.objects.get().movements.count() == 1
    assert ledger_sums() == {"EUR": 0}

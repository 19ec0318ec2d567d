"""Stripe, through its own SDK, against a double on loopback: any order and number of events comes to one end."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.domain.refusals import Refusal
from licensing.models import Order, ProviderEvent
from licensing.services.change_order import cancel_order, refund_order
from licensing.services.receive_event import process_event, process_waiting
from licensing.services.reconcile import reconcile
from tests.licensing.buying import end_state, ledger_sums, new_buyer, offer_of, order
from tests.licensing.conftest import Shop
from tests.licensing.stripe_double import StripeDouble


def row_of(event: dict[str, Any]) -> ProviderEvent:
    return ProviderEvent.objects.create(driver="stripe", event_id=event["id"], kind=event["type"], payload=event)


def deliver(event: dict[str, Any]) -> None:
    row = ProviderEvent.objects.filter(driver="stripe", event_id=event["id"]).first() or row_of(event)
    process_event(row_id=row.pk)


def deliver_all(double: StripeDouble) -> None:
    for event in double.events:
        deliver(event)


# --- one purchase after the other


def test_what_is_paid_is_licensed_and_the_ledger_tells_it(shop: Shop, stripe: StripeDouble) -> None:
    stripe.tax_basis_points = 1900
    placed = order(shop, offer_of(shop, grant_days=30))
    assert (placed.state, placed.checkout_url[:8]) == ("open", "https://")
    assert not placed.grants.exists()
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    state = end_state(placed)
    assert state["state"] == "paid"
    assert (placed.net_minor, placed.tax_minor, placed.fee_minor) == (4900, 931, 490)
    assert {account: amount for account, _organization, _currency, amount in state["ledger"]} == {
        "cash": 5831,
        "fees": -490,
        "payable": -4410,
        "tax": -931,
    }
    (grant,) = placed.grants.all()
    assert grant.ends_at == grant.starts_at + timedelta(days=30)
    assert state["permissions"] == {"download_experience", "replay_experience"}


def test_an_order_is_begun_once_however_often_it_is_clicked(shop: Shop, stripe: StripeDouble) -> None:
    offer = offer_of(shop)
    first, second = order(shop, offer), order(shop, offer)
    assert (first.pk, first.external_id) == (second.pk, second.external_id)
    assert stripe.requests.count("POST checkout/sessions") == 1


def test_killed_after_the_order_was_written_the_next_click_goes_on_with_the_same_payment(
    shop: Shop, stripe: StripeDouble
) -> None:
    offer = offer_of(shop)
    first = order(shop, offer)
    Order.objects.filter(pk=first.pk).update(external_id="", checkout_url="")
    again = order(shop, offer)
    assert (again.pk, again.external_id) == (first.pk, first.external_id)


def test_while_stripe_is_down_the_order_waits_and_nothing_is_licensed(shop: Shop, stripe: StripeDouble) -> None:
    offer = offer_of(shop)
    stripe.is_down = True
    with pytest.raises(Refusal) as refused:
        order(shop, offer)
    assert (refused.value.code, refused.value.status) == ("payment_unavailable", 503)
    assert "sk_test" not in str(refused.value.message)
    stripe.is_down = False
    placed = order(shop, offer)
    assert Order.objects.count() == 1
    stripe.pay(placed.external_id)
    stripe.is_down = True
    deliver_all(stripe)
    assert ProviderEvent.objects.filter(processed_at__isnull=True).count() == 2
    assert end_state(placed)["state"] == "open"
    stripe.is_down = False
    ProviderEvent.objects.update(received_at=datetime.now(UTC) - timedelta(hours=1))
    assert process_waiting() == 2
    assert end_state(placed)["state"] == "paid"


@pytest.mark.parametrize(("amount", "code"), [(None, "license_refunded"), (4900, "license_refunded"), (1000, "")])
def test_a_refund_takes_back_what_was_paid_for(shop: Shop, stripe: StripeDouble, amount: int | None, code: str) -> None:
    placed = order(shop, offer_of(shop))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    for _twice in range(2):
        refund_order(actor=shop.publisher, number=placed.number, amount_minor=amount, key="r1")
    assert stripe.requests.count("POST refunds") == 1
    state = end_state(placed)
    assert state["grants"][0][4] == code
    assert bool(state["permissions"]) == (not code)
    assert state["state"] == ("refunded" if code else "paid")
    assert sum(amount for *_account, amount in state["ledger"]) == 0


def test_part_of_a_time_limited_license_given_back_shortens_it(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop, grant_days=100))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    refund_order(actor=shop.publisher, number=placed.number, amount_minor=4900 // 4, key="quarter")
    (grant,) = placed.grants.all()
    assert grant.ends_at is not None
    assert (grant.ends_at - grant.starts_at).total_seconds() == 75 * 86_400


def test_more_than_was_paid_never_goes_back(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    refund_order(actor=shop.publisher, number=placed.number, amount_minor=4000, key="a")
    with pytest.raises(Refusal) as refused:
        refund_order(actor=shop.publisher, number=placed.number, amount_minor=901, key="b")
    assert refused.value.code == "amount_invalid"
    assert stripe.requests.count("POST refunds") == 1


def test_a_dispute_freezes_and_its_end_thaws_or_takes_back(shop: Shop, stripe: StripeDouble) -> None:
    for decision, code in (("won", ""), ("lost", "license_disputed")):
        placed = order(shop, offer_of(shop), new_buyer(f"buyer-{decision}"))
        intent = stripe.pay(placed.external_id)
        dispute = stripe.dispute(intent["id"])
        deliver_all(stripe)
        state = end_state(placed)
        assert (state["grants"][0][2], state["permissions"]) == (True, set())
        stripe.decide(dispute["id"], decision)
        deliver_all(stripe)
        state = end_state(placed)
        assert (state["grants"][0][2], state["grants"][0][4]) == (False, code)
        assert bool(state["permissions"]) == (not code)


# --- subscriptions


def test_a_subscription_lasts_as_long_as_it_is_paid_and_a_week(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop, interval="month"))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    subscription = stripe.objects[stripe.objects[placed.external_id]["subscription"]]

    def end() -> datetime:
        deliver_all(stripe)
        ends_at = placed.grants.get().ends_at
        assert ends_at is not None
        return ends_at

    def period_end() -> datetime:
        return datetime.fromtimestamp(subscription["items"]["data"][0]["current_period_end"], UTC)

    assert end() == period_end() + timedelta(days=7)
    stripe.renew(subscription["id"])
    assert end() == period_end() + timedelta(days=7)
    assert placed.movements.filter(kind="payment").count() == 2
    stripe.fail_renewal(subscription["id"])
    assert end() == period_end() + timedelta(days=7)
    cancel_order(actor=shop.buyer, order_id=placed.pk)
    assert end() == period_end()
    assert end_state(placed)["ends_with_period"] is True
    stripe.end_subscription(subscription["id"])
    assert end() <= datetime.now(UTC)


def test_a_trial_is_licensed_before_anything_is_paid(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop, interval="month", trial_days=14))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    state = end_state(placed)
    assert (state["state"], state["ledger"]) == ("paid", [])
    assert state["permissions"] == {"download_experience", "replay_experience"}


def test_what_was_never_heard_is_found_at_night(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop))
    stripe.pay(placed.external_id)
    differences, unasked = reconcile()
    assert [(row.order, row.before, row.after) for row in differences] == [(str(placed), ("open", 0), ("paid", 1))]
    assert unasked == []
    assert reconcile() == ([], [])


# --- any order, any number


@dataclass
class Story:
    """What happens to a purchase: each a step that the double takes when it comes to it."""

    interval: str = ""
    steps: list[str] = field(default_factory=list)

    def tell(self, double: StripeDouble, session_id: str, step: str) -> None:
        session = double.objects[session_id]
        if step == "pay":
            double.pay(session_id)
            return
        if self.interval and step in ("renew", "fail", "end"):
            {"renew": double.renew, "fail": double.fail_renewal, "end": double.end_subscription}[step](
                session["subscription"]
            )
            return
        intents = [thing["id"] for thing in double.objects.values() if thing["object"] == "payment_intent"]
        mine = session["payment_intent"] or intents[-1]
        disputes = [thing for thing in double.objects.values() if thing["object"] == "dispute"]
        disputes = [thing for thing in disputes if thing["payment_intent"] == mine]
        if step == "dispute":
            double.dispute(mine)
        elif step in ("won", "lost"):
            double.decide(disputes[-1]["id"], step)
        else:
            double.refund(mine, {"refund_part": 1000, "refund_rest": 3900}[step])


STORIES = [
    Story("", ["pay"]),
    Story("", ["pay", "refund_part"]),
    Story("", ["pay", "refund_part", "refund_rest"]),
    Story("", ["pay", "dispute"]),
    Story("", ["pay", "dispute", "won"]),
    Story("", ["pay", "dispute", "lost"]),
    Story("", ["pay", "refund_part", "dispute", "won"]),
    Story("month", ["pay", "renew"]),
    Story("month", ["pay", "renew", "fail", "renew"]),
    Story("month", ["pay", "fail", "end"]),
    Story("month", ["pay", "renew", "refund_part"]),
    Story("month", ["pay", "dispute"]),
    Story("month", ["pay", "dispute", "won", "renew"]),
    Story("month", ["pay", "dispute", "lost", "end"]),
]


@st.composite
def deliveries(draw: st.DrawFn, stories: list[int]) -> tuple[int, list[int]]:
    """A story, and for each of its moments how many of the events heard so far are delivered, from where."""
    return draw(st.sampled_from(stories)), draw(st.lists(st.integers(0, 2**16), min_size=3, max_size=8))


@pytest.fixture
def told(shop: Shop, stripe: StripeDouble, interval: str) -> Callable[[int, list[int] | None], dict[str, Any]]:
    """Tells a story to one buyer, with events in order or as drawn, and takes it back. The end that it came to."""
    terms = {"interval": interval} if interval else {"grant_days": 100}
    placed = order(shop, offer_of(shop, **terms))
    begun = deepcopy((stripe.objects, stripe.by_key))

    def tell(story_number: int, draws: list[int] | None) -> dict[str, Any]:
        story, base, rows = STORIES[story_number], stripe.now, dict[str, int]()

        def hear(event: dict[str, Any]) -> None:
            if event["id"] not in rows:
                rows[event["id"]] = row_of(event).pk
            process_event(row_id=rows[event["id"]])

        stripe.events.clear()
        stripe.objects, stripe.by_key = deepcopy(begun)
        stripe._numbers = count(1_000)
        for step in story.steps:
            story.tell(stripe, placed.external_id, step)
            for draw in (draws or [])[:3]:
                hear(stripe.events[draw % len(stripe.events)])
        late = list(stripe.events)
        for draw in draws or []:  # duplicates of any, then all that never came, in any order
            hear(late[draw % len(late)])
        for event in Random(repr(draws)).sample(late, len(late)) if draws else late:
            hear(event)
        assert base == stripe.now
        connection.check_constraints()
        assert ledger_sums() == {"EUR": 0}
        return end_state(placed)

    def tell_and_take_back(story_number: int, draws: list[int] | None) -> dict[str, Any]:
        beginning = transaction.savepoint()
        try:
            return tell(story_number, draws)
        finally:
            transaction.savepoint_rollback(beginning)

    return tell_and_take_back


@pytest.mark.slow
@pytest.mark.parametrize("interval", ["", "month"])
def test_any_order_and_number_of_events_comes_to_the_same_end(
    told: Callable[[int, list[int] | None], dict[str, Any]], interval: str
) -> None:
    stories = [number for number, story in enumerate(STORIES) if story.interval == interval]
    expected = {number: told(number, None) for number in stories}
    seen: list[tuple[int, tuple[int, ...]]] = []

    @settings(max_examples=260, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(deliveries(stories))
    def in_any_order(drawn: tuple[int, list[int]]) -> None:
        story_number, draws = drawn
        seen.append((story_number, tuple(draws)))
        assert told(story_number, draws) == expected[story_number]

    in_any_order()
    assert len(set(seen)) >= 250  # for each of the two ways to pay, so 500 together
    assert {number for number, _draws in seen} == set(stories)

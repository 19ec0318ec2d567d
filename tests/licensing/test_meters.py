"""Replays that are paid one by one, counted and billed by Stripe's Billing Meters."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.domain.refusals import Refusal
from licensing.models import CountedReplay, Grant, Offer, Order
from licensing.services.bill_metered import bill_metered
from licensing.services.change_order import cancel_order, refund_order
from licensing.services.count_replay import count_replay
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.reconcile import reconcile
from licensing.services.report_usage import report_usage
from tests.licensing.buying import end_state, ledger_sums, new_buyer, order
from tests.licensing.conftest import BOTH, Shop
from tests.licensing.stripe_double import StripeDouble
from tests.licensing.test_stripe import deliver_all


def metered(shop: Shop, **pricing: Any) -> Offer:
    priced = Pricing(**{"price_minor": 5, "currency": "EUR", "replays_free": 3, **pricing})
    return create_offer(actor=shop.publisher, experience=shop.public, terms=shop.terms, kind="metered", pricing=priced)


def bought(shop: Shop, stripe: StripeDouble, offer: Offer, buyer: Any = None) -> Order:
    placed = order(shop, offer, buyer)
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    placed.refresh_from_db()
    return placed


def replay(row: Order, times: int) -> None:
    for _number in range(times):
        count_replay(grant=row.grants.get(), receipt_id=uuid.uuid4())


def subscription_of(stripe: StripeDouble, row: Order) -> str:
    return str(stripe.objects[row.external_id]["subscription"])


def test_it_is_ordered_at_stripe_and_licensed_before_anything_is_paid(shop: Shop, stripe: StripeDouble) -> None:
    offer = metered(shop)
    with pytest.raises(Refusal) as refused:
        shop.accept(offer)
    assert (refused.value.status, refused.value.code) == (402, "payment_required")
    placed = bought(shop, stripe, offer)
    state = end_state(placed)
    assert (state["state"], state["ledger"], state["permissions"]) == ("paid", [], BOTH)
    price = stripe.objects[stripe.objects[placed.external_id]["_price"]]
    assert (price["recurring"]["usage_type"], price["lookup_key"]) == ("metered", f"keiken-{offer.pk}")
    anchor = datetime.fromtimestamp(
        int(stripe.objects[placed.external_id]["_subscription"]["billing_cycle_anchor"]), UTC
    )
    now = datetime.now(UTC)
    assert (anchor.day, anchor.hour, now < anchor <= now + timedelta(days=32)) == (1, 0, True)


def test_one_meter_and_one_price_however_many_buy(shop: Shop, stripe: StripeDouble) -> None:
    offer = metered(shop)
    for name in ("one", "two"):
        bought(shop, stripe, offer, new_buyer(name))
    bought(shop, stripe, metered(shop, plan="other"), new_buyer("three"))
    assert stripe.requests.count("POST billing/meters") == 1
    assert stripe.requests.count("POST prices") == 2


def test_a_months_replays_are_told_once_billed_and_in_the_ledger(shop: Shop, stripe: StripeDouble) -> None:
    stripe.tax_basis_points = 1900
    placed = bought(shop, stripe, metered(shop))
    replay(placed, 43)
    assert (report_usage(), report_usage()) == (43, 0)
    invoice = stripe.bill(subscription_of(stripe, placed))
    assert (invoice["total_excluding_tax"], invoice["total"]) == (200, 238)
    deliver_all(stripe)
    deliver_all(stripe)
    bill = Order.objects.get(billed_month__isnull=False)
    assert (bill.state, bill.external_id, bill.net_minor, bill.tax_minor, bill.fee_minor) == (
        "paid", invoice["id"], 200, 38, 20,
    )  # fmt: skip
    sums = {account: amount for account, _who, _currency, amount in end_state(bill)["ledger"]}
    assert sums == {"cash": 238, "payable": -180, "fees": -20, "tax": -38}
    assert bill_metered() == 0, "what Stripe bills we do not bill again"
    assert sorted(Order.objects.values_list("number", flat=True)) == [1, 2]
    replay(placed, 2)
    report_usage()
    assert stripe.bill(subscription_of(stripe, placed))["total"] == 0
    deliver_all(stripe)
    assert Order.objects.filter(billed_month__isnull=False).count() == 1, "what was free makes no invoice"
    assert ledger_sums() == {"EUR": 0}


def test_killed_after_telling_the_same_replay_is_told_again_and_counted_once(shop: Shop, stripe: StripeDouble) -> None:
    placed = bought(shop, stripe, metered(shop, replays_free=0))
    replay(placed, 4)
    assert report_usage() == 4
    CountedReplay.objects.update(reported_at=None)
    assert report_usage() == 4
    assert len(stripe.used) == 4
    assert stripe.bill(subscription_of(stripe, placed))["total"] == 20


def test_while_stripe_is_down_replays_wait_to_be_told(shop: Shop, stripe: StripeDouble) -> None:
    placed = bought(shop, stripe, metered(shop))
    replay(placed, 2)
    stripe.is_down = True
    assert report_usage() == 0
    assert CountedReplay.objects.filter(reported_at__isnull=True).count() == 2
    stripe.is_down = False
    assert report_usage() == 2


def test_a_bill_that_nobody_told_of_is_found_at_night_and_can_be_given_back(shop: Shop, stripe: StripeDouble) -> None:
    placed = bought(shop, stripe, metered(shop, replays_free=0))
    replay(placed, 10)
    report_usage()
    stripe.bill(subscription_of(stripe, placed))
    reconcile()
    bill = Order.objects.get(billed_month__isnull=False)
    assert bill.state == "paid"
    refund_order(actor=shop.publisher, number=bill.number, amount_minor=20, key="some")
    assert {row.kind: row.amount_minor for row in bill.movements.all()} == {"payment": 50, "refund": 20}
    assert placed.grants.get().revoked_at is None
    assert ledger_sums() == {"EUR": 0}


def test_a_disputed_bill_rests_the_license_until_it_is_won(shop: Shop, stripe: StripeDouble) -> None:
    placed = bought(shop, stripe, metered(shop, replays_free=0))
    replay(placed, 10)
    report_usage()
    invoice = stripe.bill(subscription_of(stripe, placed))
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    dispute = stripe.dispute(intent)
    deliver_all(stripe)
    assert (bool(placed.grants.get().frozen_at), end_state(placed)["permissions"]) == (True, set())
    stripe.decide(dispute["id"], "won")
    deliver_all(stripe)
    assert (placed.grants.get().frozen_at, end_state(placed)["permissions"]) == (None, BOTH)
    assert ledger_sums() == {"EUR": 0}


def test_it_ends_with_its_month_or_when_stripe_ends_it(shop: Shop, stripe: StripeDouble) -> None:
    placed = bought(shop, stripe, metered(shop))
    ended = cancel_order(actor=shop.buyer, order_id=placed.pk)
    assert (ended.state, ended.ends_with_period) == ("paid", True)
    assert placed.grants.get().ends_at == ended.period_end
    stripe.end_subscription(subscription_of(stripe, placed))
    deliver_all(stripe)
    grant = Grant.objects.get(order=placed)
    assert grant.ends_at is not None
    assert grant.ends_at == grant.starts_at + timedelta(seconds=1), "the double's clock is behind ours"


def test_a_coupon_does_not_hold_for_what_is_paid_by_replay(shop: Shop, stripe: StripeDouble) -> None:
    from licensing.services.create_coupon import create_coupon
    from licensing.services.place_order import place_order

    create_coupon(actor=shop.publisher, organization=shop.acme, code="ALL", percent_off=50)
    offer = metered(shop)
    with pytest.raises(Refusal) as refused:
        place_order(actor=shop.buyer, offer_id=offer.pk, terms_sha256=offer.terms.text_sha256, coupon="ALL")
    assert (refused.value.code, Order.objects.count()) == ("coupon_invalid", 0)

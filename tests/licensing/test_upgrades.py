"""Changing from one paid license to another: what is left of the first is set off, and it is not paid any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.refusals import Refusal
from licensing.domain.crediting import unused_minor
from licensing.domain.periods import after_interval
from licensing.models import Credit, Grant, InvoiceEntry, Offer, Order
from licensing.services.change_order import cancel_order, refund_order
from licensing.services.place_order import place_order
from licensing.services.settle_order import settle_order
from tests.licensing.buying import end_state, ledger_sums, offer_of, order, pay
from tests.licensing.conftest import BOTH, Shop
from tests.licensing.stripe_double import StripeDouble
from tests.licensing.test_stripe import deliver_all

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)


@given(price=st.integers(1, 10**8), days=st.integers(1, 4000), left=st.integers(-10, 4000))
def test_what_is_left_is_never_more_than_the_price_and_never_less_than_nothing(
    price: int, days: int, left: int
) -> None:
    found = unused_minor(price, now=NOW, days=days, end=NOW + left * DAY)
    assert found == price * max(0, min(days, left)) // days


def unused_days(row: Order, days: int) -> None:
    """As if it had been bought so long ago that so many days are left."""
    Grant.objects.filter(order=row).update(ends_at=datetime.now(UTC) + days * DAY + timedelta(seconds=30))


def test_what_is_left_of_limited_days_is_set_off(shop: Shop, settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"fee_basis_points": 1000, "tax_basis_points": 1900})
    first = pay(order(shop, offer_of(shop, plan="one", seats=1, grant_days=100)))
    unused_days(first, 50)
    second = order(shop, offer_of(shop, plan="ten", seats=10, price_minor=9_000, grant_days=100))
    assert (second.net_minor, second.tax_minor, second.credit_minor) == (9_000, 1_710, 2_450)
    assert second.due_minor == 9_000 + 1_710 - 2_450 - 465
    assert [(row.replaced_id, row.amount_minor) for row in Credit.objects.all()] == [(first.pk, 2_450)]
    paid = pay(second, amount_minor=second.due_minor)
    assert paid.state == "paid"
    old, new = (Grant.objects.get(order=row) for row in (first, second))
    assert (old.revoked_code, new.revoked_at) == ("license_replaced", None)
    assert end_state(paid)["permissions"] == BOTH
    sums = {account: amount for account, _who, _currency, amount in end_state(paid)["ledger"]}
    assert sums["cash"] == second.due_minor
    assert ledger_sums() == {"EUR": 0}
    assert -sums["fees"] == pytest.approx(655, abs=1)
    assert -sums["tax"] == pytest.approx(1_245, abs=1)


@pytest.mark.parametrize("length", [28, 31, 366])
def test_of_a_period_that_has_just_begun_nearly_all_is_set_off_however_long_it_is(shop: Shop, length: int) -> None:
    """February's is three days shorter than January's: what went before its end does not tell when it began."""
    first = pay(order(shop, offer_of(shop, plan="one", interval="year" if length == 366 else "month")))
    now = datetime.now(UTC)
    Order.objects.filter(pk=first.pk).update(period_start=now, period_end=now + length * DAY)
    second = order(shop, offer_of(shop, plan="ten", interval="month", price_minor=9_000))
    assert second.credit_minor in (4_898, 4_899)


def test_one_unit_less_than_is_due_gives_no_license(shop: Shop) -> None:
    first = pay(order(shop, offer_of(shop, plan="one")))
    second = order(shop, offer_of(shop, plan="ten", price_minor=9_000))
    assert second.due_minor == 9_000 - 4_900, "what has no end is set off whole"
    assert pay(second, amount_minor=second.due_minor - 1, reference="a").state == "open"
    assert Grant.objects.get(order=first).revoked_at is None
    assert pay(second, amount_minor=1, reference="b").state == "paid"


def refusal(shop: Shop, offer: Offer) -> str:
    before = (Order.objects.count(), Credit.objects.count())
    with pytest.raises(Refusal) as refused:
        order(shop, offer)
    assert (Order.objects.count(), Credit.objects.count()) == before
    return refused.value.code


def test_what_would_lose_somebodys_money_is_refused(shop: Shop) -> None:
    pay(order(shop, offer_of(shop, plan="ten", price_minor=9_000)))
    assert refusal(shop, offer_of(shop, plan="one", price_minor=4_900)) == "credit_exceeds_price"
    assert refusal(shop, offer_of(shop, plan="usd", price_minor=90_000, currency="USD")) == "other_currency"
    first, second = (offer_of(shop, plan=plan, price_minor=20_000) for plan in ("a", "b"))
    waiting = order(shop, first)
    assert refusal(shop, second) == "order_waiting"
    cancel_order(actor=shop.buyer, order_id=waiting.pk)
    assert order(shop, second).credit_minor == 9_000


def test_what_was_set_off_cannot_be_given_back_as_well(shop: Shop) -> None:
    first = pay(order(shop, offer_of(shop, plan="one")))
    second = order(shop, offer_of(shop, plan="ten", price_minor=9_000))
    pay(second, amount_minor=second.due_minor)
    with pytest.raises(Refusal) as refused:
        refund_order(actor=shop.publisher, number=first.number, amount_minor=1, key="twice")
    assert refused.value.code == "amount_invalid"
    assert not InvoiceEntry.objects.filter(kind="refunded").exists()


def test_at_stripe_the_first_payment_is_lower_once_and_the_old_subscription_ends(
    shop: Shop, stripe: StripeDouble
) -> None:
    stripe.tax_basis_points = 1900
    first = order(shop, offer_of(shop, plan="one", interval="month"))
    stripe.pay(first.external_id)
    deliver_all(stripe)
    second = order(shop, offer_of(shop, plan="ten", interval="month", price_minor=9_000))
    assert 4_800 < second.credit_minor < 4_900
    stripe.pay(second.external_id)
    deliver_all(stripe)
    second.refresh_from_db()
    assert (second.state, second.tax_minor) == ("paid", pytest.approx(1_710, abs=1))
    old = stripe.objects[stripe.objects[first.external_id]["subscription"]]
    assert old["cancel_at_period_end"] is True
    assert end_state(first)["ends_with_period"] is True
    stripe.renew(stripe.objects[second.external_id]["subscription"])
    deliver_all(stripe)
    amounts = list(second.movements.order_by("at").values_list("amount_minor", flat=True))
    assert amounts[1] == 9_000 + 1_710
    assert amounts[0] == 9_000 - second.credit_minor + (9_000 - second.credit_minor) * 1900 // 10_000
    assert ledger_sums() == {"EUR": 0}


def test_while_stripe_is_down_the_old_subscription_is_ended_the_next_night(shop: Shop, stripe: StripeDouble) -> None:
    first = order(shop, offer_of(shop, plan="one", interval="month"))
    stripe.pay(first.external_id)
    deliver_all(stripe)
    second = order(shop, offer_of(shop, plan="ten", interval="month", price_minor=9_000))
    stripe.pay(second.external_id)
    stripe.fails = {"POST subscriptions"}
    deliver_all(stripe)
    assert (end_state(second)["state"], end_state(first)["ends_with_period"]) == ("paid", False)
    stripe.fails = set()
    settle_order(order_id=second.pk)
    assert end_state(first)["ends_with_period"] is True


# --- trials and payments in parts, by invoice


def test_a_trial_by_invoice_begins_with_the_order_and_is_had_once(shop: Shop) -> None:
    placed = order(shop, offer_of(shop, interval="month", trial_days=14))
    state = end_state(placed)
    assert (state["state"], state["ledger"], state["permissions"]) == ("paid", [], BOTH)
    assert placed.grants.get().ends_at == placed.created_at + 21 * DAY
    Order.objects.filter(pk=placed.pk).update(created_at=placed.created_at - 30 * DAY)
    assert settle_order(order_id=placed.pk).state == "open"
    cancel_order(actor=shop.buyer, order_id=placed.pk)
    again = order(shop, offer_of(shop, interval="year", trial_days=30))
    assert (again.trial_days, again.state) == (0, "open")


def test_a_part_of_a_months_price_is_no_month(shop: Shop) -> None:
    placed = order(shop, offer_of(shop, interval="month"))
    assert pay(placed, amount_minor=100, reference="a").state == "open"
    assert not placed.grants.exists()
    paid = pay(placed, amount_minor=4_800, reference="b")
    entry = InvoiceEntry.objects.get(reference="b")
    assert (paid.state, paid.period_end) == ("paid", after_interval(entry.at, "month"))
    twice = pay(placed, amount_minor=9_800, reference="c")
    assert twice.period_end == after_interval(after_interval(after_interval(entry.at, "month"), "month"), "month")


def test_part_of_a_period_given_back_shortens_it(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop, interval="month"))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    stripe.renew(stripe.objects[placed.external_id]["subscription"])
    stripe.now += 31 * 86_400
    deliver_all(stripe)
    refund_order(actor=shop.publisher, number=placed.number, amount_minor=2_450, key="half")
    (grant,) = placed.grants.all()
    placed.refresh_from_db()
    assert placed.period_end is not None
    assert grant.ends_at == placed.period_end - 15 * DAY
    newest = [thing for thing in stripe.objects.values() if thing["object"] == "payment_intent"][-1]["id"]
    assert [row["payment_intent"] for row in stripe.objects.values() if row["object"] == "refund"] == [newest]


def test_a_refund_of_several_periods_goes_back_from_the_newest_payment_on(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop, interval="month"))
    stripe.pay(placed.external_id)
    stripe.renew(stripe.objects[placed.external_id]["subscription"])
    deliver_all(stripe)
    for _twice in range(2):
        refund_order(actor=shop.publisher, number=placed.number, amount_minor=6_000, key="much")
    assert [row["amount"] for row in stripe.objects.values() if row["object"] == "refund"] == [4_900, 1_100]
    assert ledger_sums() == {"EUR": 0}


def test_a_second_click_on_the_same_upgrade_is_the_same_order(shop: Shop) -> None:
    pay(order(shop, offer_of(shop, plan="one")))
    offer = offer_of(shop, plan="ten", price_minor=9_000)
    first = order(shop, offer)
    second = place_order(actor=shop.buyer, offer_id=offer.pk, terms_sha256=offer.terms.text_sha256)
    assert (first.pk, Credit.objects.count()) == (second.pk, 1)

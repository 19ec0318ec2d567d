"""Coupons: who makes them, what they take off, and that they end."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from licensing.models import Coupon, Order
from tests.licensing.buying import new_buyer, offer_of
from tests.licensing.conftest import Shop

PATH = "organizations/acme/coupons"


def make(shop: Shop, who: str = "publisher of acme", **parts: Any) -> Any:
    return shop.ask(who, "POST", PATH, {"code": "spring-26", "percent_off": 20, **parts})


def buy(shop: Shop, offer: Any, code: str, who: str = "buyer of globex") -> Any:
    body = {"terms_sha256": offer.terms.text_sha256, "coupon": code}
    return shop.ask(who, "POST", f"offers/{offer.pk}/orders", body)


def test_a_coupon_takes_off_once_for_each_order_until_it_is_used_up_or_ended(shop: Shop) -> None:
    assert [make(shop, redemptions_limit=1).status_code for _twice in range(2)] == [201, 201]
    offer = offer_of(shop)
    assert buy(shop, offer, "Spring-26").json()["net_minor"] == 3_920
    listed = shop.ask("publisher of acme", "GET", PATH).json()["results"]
    assert [(row["code"], row["percent_off"], row["redeemed"]) for row in listed] == [("SPRING-26", 20, 1)]
    other = new_buyer("hooli")
    assert Order.objects.count() == 1
    from licensing.services.place_order import place_order

    with pytest.raises(Exception, match="as often as it can be"):
        place_order(actor=other, offer_id=offer.pk, terms_sha256=offer.terms.text_sha256, coupon="SPRING-26")
    assert shop.ask("publisher of acme", "DELETE", f"{PATH}/spring-26").status_code == 204
    assert buy(shop, offer_of(shop, plan="x"), "SPRING-26").json()["code"] == "coupon_invalid"
    assert Order.objects.count() == 1


def test_an_amount_is_taken_off_in_its_currency_only(shop: Shop) -> None:
    made = make(shop, percent_off=0, amount_off_minor=1_000, currency="EUR")
    assert (made.status_code, made.json()["currency"]) == (201, "EUR")
    assert buy(shop, offer_of(shop, plan="usd", currency="USD"), "SPRING-26").json()["code"] == "coupon_invalid"
    assert buy(shop, offer_of(shop), "SPRING-26").json()["net_minor"] == 3_900


@pytest.mark.parametrize(
    "parts",
    [
        {"code": "a b"},
        {"code": "ab"},
        {"percent_off": 0},
        {"percent_off": 10, "amount_off_minor": 5, "currency": "EUR"},
        {"percent_off": 0, "amount_off_minor": 5, "currency": "XXX"},
        {"percent_off": 0, "amount_off_minor": 5},
    ],
)
def test_a_coupon_that_is_none_is_not_kept(shop: Shop, parts: dict[str, Any]) -> None:
    answer = make(shop, **parts)
    assert (answer.status_code, answer.json()["code"]) == (422, "coupon_invalid")
    assert not Coupon.objects.exists()


def test_a_code_means_one_thing_and_only_the_publisher_says_what(shop: Shop) -> None:
    for who, status in (("viewer of acme", 403), ("publisher of globex", 404), ("stranger", 401)):
        assert make(shop, who).status_code == status
        assert shop.ask(who, "DELETE", f"{PATH}/spring-26").status_code == status
    assert make(shop).status_code == 201
    taken = make(shop, percent_off=30)
    assert (taken.status_code, taken.json()["code"]) == (409, "coupon_code_taken")
    assert Coupon.objects.get().percent_off == 20


def test_a_coupon_is_made_and_ended_on_the_page(shop: Shop) -> None:
    client = Client()
    client.force_login(shop.people["publisher of acme"])
    path = "/organizations/acme/sales"
    form = {"do": "coupon", "code": "page-1", "off": "500", "currency": "EUR", "redemptions_limit": "3"}
    assert client.post(path, {**form, "off": "-5"}).status_code == 422
    assert client.post(path, form).status_code == 302
    assert "5.00 EUR" in client.get(path).content.decode()
    assert client.post(path, {"do": "end_coupon", "code": "page-1"}).status_code == 302
    assert Coupon.objects.get().expires_at is not None

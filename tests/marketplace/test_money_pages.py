"""Prices, orders, requests, budgets, sales and invoices as people see and send them, without JavaScript."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Organization
from licensing.models import AccessRequest, Grant, LedgerLine, Offer, Order, PurchasePolicy, Seat
from licensing.services.create_offer import Pricing, create_offer
from tests import factories
from tests.marketplace.conftest import Market
from tests.marketplace.test_pages import EXPERIENCE, assert_sound

QUERIES_MAX = 12


def offered(market: Market, kind: str = "purchase", **pricing: Any) -> Offer:
    if kind != "request":
        pricing = {"price_minor": 4_900, "currency": "EUR", **pricing}
    return create_offer(
        actor=factories.owner_actor(market.acme),
        experience=market.public.experience,
        terms=market.offer.terms,
        kind=kind,
        pricing=Pricing(**pricing),
    )


def buy(client: Client, offer: Offer, **fields: str) -> Any:
    return client.post(path_of(offer), {"agree": "1", "terms_sha256": offer.terms.text_sha256, **fields})


def path_of(offer: Offer) -> str:
    return f"{EXPERIENCE}/offers/{offer.pk}"


def as_role(organization: Organization, role: str) -> Client:
    person = factories.person()
    Membership.objects.create(person=person, organization=organization, role=role)
    client = Client()
    client.force_login(person)
    return client


def test_what_only_money_opens_is_bought_on_the_command_line_too(market: Market) -> None:
    def commands() -> list[str]:
        html = Client().get(EXPERIENCE).content.decode()
        return re.findall(r"keiken (?:accept|buy) acme/write-greeting", html)

    assert commands() == ["keiken accept acme/write-greeting"]
    Offer.objects.filter(pk=market.offer.pk).update(is_active=False)
    offered(market)
    assert commands() == ["keiken buy acme/write-greeting"]


TABS = ["", "/agents", "/environments", "/licenses", "/sales", "/experiences", "/webhooks", "/reverification", "/audit"]


def test_the_tabs_stay_the_same_on_the_pages_of_sales_and_orders(market: Market) -> None:
    buy(market.signed_in(market.globex), offered(market))
    order = Order.objects.get()
    for owner, path in ((market.acme, "/sales"), (market.globex, f"/orders/{order.number}")):
        area = f"/organizations/{owner.slug}"
        html = market.signed_in(owner).get(f"{area}{path}").content.decode()
        shown = re.search(r'<ul class="tabs">(.*?)</ul>', html, re.DOTALL)
        assert shown is not None
        assert re.findall(r'href="([^"]+)"', shown[1]) == [f"{area}{tab}" for tab in TABS]


def operator() -> Client:
    client = Client()
    client.force_login(factories.person(is_staff=True, is_superuser=True))
    return client


def test_a_click_orders_a_second_click_is_the_same_order_and_the_invoice_pays_for_it(
    market: Market, settings: Any
) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"tax_basis_points": 1900})
    offer, client = offered(market), market.signed_in(market.globex)
    assert "49.00 EUR once" in client.get(EXPERIENCE).content.decode()
    html = client.get(path_of(offer)).content.decode()
    assert "9.31 EUR" in html
    assert "58.31 EUR" in html
    first, second = buy(client, offer), buy(client, offer)
    order = Order.objects.get()
    address = f"/organizations/globex/orders/{order.number}"
    assert (first.headers["Location"], second.headers["Location"]) == (address, address)
    assert f"Your invoice has the number {order}: 58.31 EUR." in client.get(address).content.decode()
    record = {"number": order.number, "amount_minor": order.total_minor, "kind": "paid", "reference": "bank-7"}
    assert market.signed_in(market.globex).post("/operator/invoices", record).status_code == 403
    assert Grant.objects.count() == 0
    boss = operator()
    for _twice in range(2):
        assert boss.post("/operator/invoices", record).status_code == 302
    assert (Grant.objects.count(), LedgerLine.objects.filter(account="cash").count()) == (1, 1)
    assert "It is paid." in client.get(address).content.decode()
    assert buy(client, offer).status_code == 409
    assert Order.objects.count() == 1


def test_a_wrong_coupon_is_told_on_the_page_and_orders_nothing(market: Market) -> None:
    offer, client = offered(market), market.signed_in(market.globex)
    response = buy(client, offer, coupon="NEVER")
    assert (response.status_code, Order.objects.count()) == (422, 0)
    assert "This code does not hold for this offer." in response.content.decode()
    assert 'value="NEVER"' in response.content.decode()


@pytest.mark.parametrize("role", ["viewer", "publisher"])
def test_who_may_not_buy_orders_nothing(market: Market, role: str) -> None:
    response = buy(as_role(market.globex, role), offered(market))
    assert (response.status_code, Order.objects.count()) == (403, 0)


def test_an_order_is_given_up_by_its_organization_only(market: Market) -> None:
    buy(market.signed_in(market.globex), offered(market))
    order = Order.objects.get()
    address = f"orders/{order.number}"
    assert market.signed_in(market.initech).get(f"/organizations/initech/{address}").status_code == 404
    assert market.signed_in(market.initech).post(f"/organizations/globex/{address}").status_code == 404
    assert as_role(market.globex, "viewer").post(f"/organizations/globex/{address}").status_code == 403
    order.refresh_from_db()
    assert order.state == "open"
    for _twice in range(2):
        assert market.signed_in(market.globex).post(f"/organizations/globex/{address}").status_code == 302
    order.refresh_from_db()
    assert order.state == "canceled"


def test_a_request_is_asked_decided_and_then_accepted(market: Market) -> None:
    offer, client = offered(market, "request"), market.signed_in(market.globex)
    for _twice in range(2):
        assert client.post(path_of(offer), {"message": "We run a bakery."}).status_code == 302
    row = AccessRequest.objects.get()
    assert "Your request waits" in client.get(path_of(offer)).content.decode()
    decision = {"do": "approve", "request": str(row.pk), "answer": "Welcome."}
    assert market.signed_in(market.initech).post("/organizations/initech/sales", decision).status_code == 404
    assert as_role(market.acme, "viewer").post("/organizations/acme/sales", decision).status_code == 403
    row.refresh_from_db()
    assert row.state == "waiting"
    seller = market.signed_in(market.acme)
    assert "We run a bakery." in seller.get("/organizations/acme/sales").content.decode()
    for _twice in range(2):
        assert seller.post("/organizations/acme/sales", decision).status_code == 302
    assert "Welcome." in client.get(path_of(offer)).content.decode()
    assert buy(client, offer).status_code == 302
    assert Grant.objects.get().organization_id == market.globex.pk


FORM = {"name": "acme-paid", "text": "Only for us.", "uses": ["replay"], "kind": "purchase"}


def test_every_kind_of_offer_is_made_by_the_form(market: Market) -> None:
    client = market.signed_in(market.acme)
    made = [
        {"kind": "free"},
        {"kind": "organization"},
        {"kind": "request"},
        {"kind": "purchase", "price": "49.00", "currency": "EUR", "seats": "3", "stock": "5"},
        {"kind": "purchase", "price": "4900", "currency": "JPY", "recipients": "globex, initech"},
        {"kind": "subscription", "price": "5", "currency": "USD", "interval": "month", "trial_days": "14"},
        {"kind": "metered", "price": "0.05", "currency": "EUR", "replays_free": "10", "replays_quota": "500"},
        {"kind": "free", "bundled": "acme/inner-greeting", "grant_days": "30"},
    ]
    for wanted in made:
        response = client.post(f"{EXPERIENCE}/offers/new", {**FORM, **wanted})
        assert response.status_code == 302, (wanted, response.content.decode()[-3000:])
    active = Offer.objects.filter(is_active=True, experience=market.public.experience)
    rows = active.order_by("kind", "currency").values_list("kind", "price_minor", "currency", "is_private")
    assert list(rows) == [
        ("free", 0, "", False),
        ("metered", 5, "EUR", False),
        ("organization", 0, "", False),
        ("purchase", 4900, "EUR", False),
        ("purchase", 4900, "JPY", True),
        ("request", 0, "", False),
        ("subscription", 500, "USD", False),
    ]
    bundle = active.get(kind="free")
    assert (bundle.grant_days, [row.name for row in bundle.bundled.all()]) == (30, ["inner-greeting"])
    private = active.get(is_private=True)
    assert {row.slug for row in private.recipients.all()} == {"globex", "initech"}


def test_the_form_begins_with_a_template_and_the_page_shows_both_texts_and_the_rules(market: Market) -> None:
    client = market.signed_in(market.acme)
    form = client.get(f"{EXPERIENCE}/offers/new?template=evaluation").content.decode()
    for begun in ("# Evaluation terms", "# 評価用利用条件", 'value="30"', "evaluation outside production"):
        assert begun in form
    assert "{publisher}" not in form
    rules = {"territory": "jp, DE", "fields_of_use": "operations", "support_contact": "help@acme.example"}
    texts = {"text": "# Only replay\n\nNothing <b>else</b>.", "text_ja": "# 再生だけ\n\n再生だけができます。"}
    assert client.post(f"{EXPERIENCE}/offers/new", {**FORM, "kind": "free", **texts, **rules}).status_code == 302
    offer = Offer.objects.get(kind="free", is_active=True)
    buyer = market.signed_in(market.globex)
    page = buyer.get(path_of(offer)).content.decode()
    assert page.index("Nothing &lt;b&gt;else&lt;/b&gt;.") < page.index("再生だけができます。")
    for shown in ("DE, JP", "operations", "help@acme.example", "<h3>Only replay</h3>"):
        assert shown in page
    buyer.cookies["django_language"] = "ja"
    japanese = buyer.get(path_of(offer)).content.decode()
    assert japanese.index("再生だけができます。") < japanese.index("Nothing &lt;b&gt;else")
    wrong = {**FORM, "kind": "free", **texts, **rules, "territory": "Japan"}
    assert client.post(f"{EXPERIENCE}/offers/new", wrong).status_code == 422


def test_a_license_can_be_changed_to_another_plan_on_the_page(market: Market) -> None:
    client = market.signed_in(market.globex)
    buy(client, offered(market, plan="one"))
    paid = {"number": Order.objects.get().number, "amount_minor": 4900, "kind": "paid", "reference": "b"}
    assert operator().post("/operator/invoices", paid).status_code == 302
    larger = offered(market, plan="ten", price_minor=9_000, seats=10)
    listing = client.get(EXPERIENCE).content.decode()
    assert path_of(larger) in listing
    assert path_of(Offer.objects.get(plan="one")) not in listing
    page = client.get(path_of(larger)).content.decode()
    assert "49.00 EUR" in page
    assert "<strong>41.00 EUR</strong>" in page
    assert buy(client, larger).status_code == 302
    order = Order.objects.get(offer=larger)
    assert (order.due_minor, order.credit_minor) == (4_100, 4_900)
    assert "41.00 EUR" in client.get(f"/organizations/globex/orders/{order.number}").content.decode()


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"price": "0.5", "currency": "JPY"}, 422),
        ({"price": "49.001", "currency": "EUR"}, 422),
        ({}, 422),
        ({"price": "49", "currency": "EUR", "recipients": "nobody-here"}, 404),
        ({"price": "49", "currency": "EUR", "bundled": "acme"}, 422),
        ({"price": "49", "currency": "EUR", "interval": "month"}, 422),
    ],
)
def test_an_offer_that_is_not_right_is_not_made(market: Market, wanted: dict[str, str], status: int) -> None:
    response = market.signed_in(market.acme).post(f"{EXPERIENCE}/offers/new", {**FORM, **wanted})
    assert (response.status_code, Offer.objects.filter(kind="purchase").count()) == (status, 0)


def test_only_an_owner_sets_what_agents_may_spend(market: Market) -> None:
    path = "/organizations/globex/agents"
    budget = {"do": "set_policy", "agent_month_minor": "5000", "currency": "EUR", "publishers": "acme"}
    assert as_role(market.globex, "buyer").post(path, budget).status_code == 403
    assert market.signed_in(market.acme).post(path, budget).status_code == 404
    client = market.signed_in(market.globex)
    for wrong in ({"agent_month_minor": "-1"}, {"currency": "XXX"}, {"publishers": "nobody-here"}):
        assert client.post(path, {**budget, **wrong}).status_code in (404, 422)
    assert PurchasePolicy.objects.count() == 0
    assert client.post(path, budget).status_code == 302
    found = PurchasePolicy.objects.get()
    assert (found.agent_month_minor, found.currency, found.publishers) == (5000, "EUR", ["acme"])
    assert "Each agent may spend 50.00 EUR" in client.get(path).content.decode()


def test_a_seat_is_shown_and_released(market: Market) -> None:
    buyer = market.signed_in(market.globex)
    buy(buyer, offered(market, seats=2))
    order = Order.objects.get()
    paid = {"number": order.number, "amount_minor": 4900, "kind": "paid", "reference": "b"}
    operator().post("/operator/invoices", paid)
    agent = market.globex.agents.create(name="builder")
    seat = Seat.objects.create(grant=Grant.objects.get(), agent=agent)
    path = "/organizations/globex/licenses"
    assert "1 of 2 seats" in buyer.get(path).content.decode()
    release = {"do": "release", "grant": str(seat.grant_id), "agent": "builder"}
    assert as_role(market.globex, "viewer").post(path, release).status_code == 403
    assert buyer.post(path, release).status_code == 302
    assert "0 of 2 seats" in buyer.get(path).content.decode()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_pages_are_sound_in_both_languages_with_few_queries(market: Market, language: str) -> None:
    buyer, seller, boss = market.signed_in(market.globex), market.signed_in(market.acme), operator()
    offer, asked = offered(market, interval="month", kind="subscription", seats=2), offered(market, "request")
    buy(buyer, offer)
    order = Order.objects.get()
    paid = {"number": order.number, "amount_minor": 4900, "kind": "paid", "reference": "b"}
    boss.post("/operator/invoices", paid)
    market.signed_in(market.initech).post(path_of(asked), {"message": "<script>alert(1)</script>"})
    pages = [
        (buyer, path_of(offer)),
        (market.signed_in(market.initech), path_of(asked)),
        (buyer, f"/organizations/globex/orders/{order.number}"),
        (buyer, "/organizations/globex/licenses"),
        (buyer, "/organizations/globex/agents"),
        (seller, "/organizations/acme/sales"),
        (seller, f"{EXPERIENCE}/offers/new"),
        (boss, "/operator/invoices"),
    ]
    for client, path in pages:
        client.cookies["django_language"] = language
        with CaptureQueriesContext(connection) as queries:
            response = client.get(path)
        assert response.status_code == 200, path
        assert len(queries) <= QUERIES_MAX, (path, [query["sql"][:120] for query in queries])
        assert f'<html lang="{language}"' in response.content.decode()
        assert "<script>alert" not in response.content.decode()
        assert_sound(response.content.decode())
    assert 'class="plot"' in seller.get("/organizations/acme/sales").content.decode()

"""What our driver asks of Stripe is taken as it is sent: against the double, and with STRIPE_API_KEY (a test key) set,
the same tests against Stripe's own test mode. Paying needs a browser; what follows a payment is in test_stripe.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from licensing.models import Offer, Order
from licensing.payments import provider
from licensing.payments.connect import create_account, may_receive, onboarding_url
from licensing.payments.metering import tell_replay
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.open_portal import open_portal
from tests import settings as environment
from tests.licensing import stripe_server
from tests.licensing.buying import offer_of, order
from tests.licensing.conftest import Shop

STRIPE = provider("stripe")


@pytest.fixture(autouse=True)
def account(settings: Any) -> Iterator[None]:
    """Stripe's test mode where a test key is given, else the double."""
    if environment.STRIPE_TEST_KEY:
        settings.KEIKEN = settings.KEIKEN.model_copy(update={"stripe_api_key": environment.STRIPE_TEST_KEY})
        yield
        return
    with stripe_server.running(int(time.time())) as (_double, address):
        keys = {"stripe_api_key": "sk_test_loopback", "stripe_api_base": address}
        settings.KEIKEN = settings.KEIKEN.model_copy(update=keys)
        yield


def offer(shop: Shop, kind: str, **pricing: Any) -> Offer:
    if kind == "metered":
        priced = Pricing(price_minor=5, currency="EUR", **pricing)
        return create_offer(actor=shop.publisher, experience=shop.public, terms=shop.terms, kind=kind, pricing=priced)
    return offer_of(shop, **pricing)


@pytest.mark.parametrize(
    ("kind", "pricing"),
    [
        ("purchase", {}),
        ("purchase", {"currency": "JPY"}),
        ("subscription", {"interval": "month"}),
        ("subscription", {"interval": "year", "trial_days": 14}),
        ("metered", {}),
        ("metered", {"replays_free": 10}),
    ],
)
def test_a_checkout_is_begun_once_and_given_up(shop: Shop, kind: str, pricing: dict[str, Any]) -> None:
    placed = order(shop, offer(shop, kind, **pricing))
    assert placed.checkout_url.startswith("https://")
    again = STRIPE.start(placed, return_url="http://127.0.0.1/x")
    assert again.external_id == placed.external_id
    facts = STRIPE.facts(placed)
    assert (list(facts.movements), facts.subscription, facts.is_canceled) == ([], None, False)
    assert open_portal_code(shop, placed) == "portal_missing"
    STRIPE.cancel(placed)
    STRIPE.cancel(placed)
    assert STRIPE.facts(placed).is_canceled


def open_portal_code(shop: Shop, placed: Order) -> str:
    from accounts.domain.refusals import Refusal

    with pytest.raises(Refusal) as refused:
        open_portal(actor=shop.buyer, order_id=placed.pk)
    return refused.value.code


def test_a_credit_lowers_the_first_payment(shop: Shop) -> None:
    placed = order(shop, offer_of(shop, price_minor=9_000))
    other = Order.objects.get(pk=placed.pk)
    other.pk, other.number, other.external_id, other.credit_minor = uuid.uuid4(), 2, "", 2_450
    other.state = Order.State.CANCELED
    other.save(force_insert=True)
    other.external_id = STRIPE.start(other, return_url="http://127.0.0.1/x").external_id
    assert STRIPE.facts(other).due_minor == 6_550


def test_a_publisher_is_led_to_onboarding_and_may_not_receive_before(shop: Shop) -> None:
    made = create_account(organization_id=uuid.uuid4().int % 2**62, slug="acme")
    assert onboarding_url(made, "https://keiken.example/back").startswith("https://")
    assert may_receive(made) is False


def test_a_replay_told_twice_is_told(shop: Shop) -> None:
    """The meter must be there; whose replay it is, Stripe looks up later."""
    order(shop, offer(shop, "metered"))
    identifier, now = str(uuid.uuid4()), Order.objects.get().created_at
    for _twice in range(2):
        tell_replay(customer="cus_000000", identifier=identifier, at=now)

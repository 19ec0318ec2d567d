"""Publishers are paid what the ledger owes them: once, whatever is killed or repeated."""

from __future__ import annotations

import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction

from accounts.domain.refusals import Refusal
from licensing.models import LedgerLine, LedgerTransaction, Order, Payout, PublisherAccount
from licensing.services.connect_publisher import connect_publisher
from licensing.services.open_portal import open_portal
from licensing.services.pay_out import begin_payout, finish_payout, owed_minor, pay_out_all, record_payout
from tests.experiences.conftest import at_once
from tests.licensing.buying import OPERATOR, ledger_sums, offer_of, order, pay
from tests.licensing.conftest import Shop
from tests.licensing.stripe_double import StripeDouble
from tests.licensing.test_stripe import deliver_all


def sold(shop: Shop) -> Order:
    return pay(order(shop, offer_of(shop)))


def connected(shop: Shop, double: StripeDouble) -> PublisherAccount:
    connect_publisher(actor=shop.actor("owner of acme"), organization=shop.acme, return_url="http://127.0.0.1/")
    account = PublisherAccount.objects.get()
    double.finish_onboarding(account.external_id)
    deliver_all(double)
    account.refresh_from_db()
    return account


def test_what_is_owed_goes_out_by_bank_and_is_owed_no_longer(shop: Shop) -> None:
    sold(shop)
    owed = owed_minor(shop.acme.pk, "EUR")
    assert owed == 4_410
    (payout,) = [begin_payout(organization_id=shop.acme.pk, currency="EUR")]
    assert payout is not None
    assert (payout.amount_minor, payout.driver, payout.state) == (4_410, "invoice", "begun")
    assert owed_minor(shop.acme.pk, "EUR") == 0
    assert begin_payout(organization_id=shop.acme.pk, currency="EUR") == payout
    assert record_payout(actor=OPERATOR, payout_id=str(payout.pk), reference="SEPA 7").state == "paid"
    assert record_payout(actor=OPERATOR, payout_id=str(payout.pk), reference="SEPA 8").external_id == "SEPA 7"
    assert begin_payout(organization_id=shop.acme.pk, currency="EUR") is None
    assert ledger_sums() == {"EUR": 0}


def test_little_is_not_paid_out_yet(shop: Shop) -> None:
    pay(order(shop, offer_of(shop, price_minor=1_000)))
    assert owed_minor(shop.acme.pk, "EUR") == 900
    assert pay_out_all() == []
    assert not Payout.objects.exists()


def test_a_connected_publisher_is_paid_by_a_transfer_once(shop: Shop, stripe: StripeDouble) -> None:
    account = connected(shop, stripe)
    assert account.is_ready
    placed = order(shop, offer_of(shop))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    (payout,) = pay_out_all()
    assert (payout.state, payout.driver, payout.amount_minor) == ("paid", "stripe", 4_410)
    transfers = [thing for thing in stripe.objects.values() if thing["object"] == "transfer"]
    assert [(row["destination"], row["amount"], row["metadata"]) for row in transfers] == [
        (account.external_id, 4_410, {"payout": str(payout.pk)})
    ]
    assert pay_out_all() == []
    # Killed after Stripe had transferred it and before we wrote that down:
    Payout.objects.update(state="begun", external_id="", paid_at=None)
    (again,) = pay_out_all()
    assert again.external_id == payout.external_id
    assert len([thing for thing in stripe.objects.values() if thing["object"] == "transfer"]) == 1
    assert ledger_sums() == {"EUR": 0}


def test_while_stripe_is_down_a_payout_waits(shop: Shop, stripe: StripeDouble) -> None:
    connected(shop, stripe)
    placed = order(shop, offer_of(shop))
    stripe.pay(placed.external_id)
    deliver_all(stripe)
    stripe.is_down = True
    assert [payout.state for payout in pay_out_all()] == ["begun"]
    stripe.is_down = False
    assert [payout.state for payout in pay_out_all()] == ["paid"]


def test_until_the_publisher_has_said_who_they_are_nothing_goes_to_the_account(
    shop: Shop, stripe: StripeDouble
) -> None:
    who = shop.actor("owner of acme")
    urls = {connect_publisher(actor=who, organization=shop.acme, return_url="http://127.0.0.1/") for _ in range(2)}
    assert len(urls) == PublisherAccount.objects.count() == 1
    assert stripe.requests.count("POST accounts") == 1
    assert not PublisherAccount.objects.get().is_ready


def test_a_refund_after_the_payout_is_owed_by_the_publisher(shop: Shop) -> None:
    from licensing.services.record_invoice import record_invoice

    row = sold(shop)
    payout = begin_payout(organization_id=shop.acme.pk, currency="EUR")
    assert payout is not None
    record_invoice(actor=OPERATOR, number=row.number, kind="refunded", amount_minor=4_900, reference="back")
    assert owed_minor(shop.acme.pk, "EUR") == -4_410
    assert finish_payout(payout).state == "begun", "the bank's is recorded by the operator"
    assert ledger_sums() == {"EUR": 0}


@pytest.mark.django_db(transaction=True)
def test_ten_nights_at_once_pay_once(committed_shop: Shop) -> None:
    sold(committed_shop)
    acme = committed_shop.acme.pk
    begun = at_once(*[lambda: begin_payout(organization_id=acme, currency="EUR")] * 10)
    assert {payout.pk for payout in begun} == {Payout.objects.get().pk}
    assert ledger_sums() == {"EUR": 0}


def test_a_payout_that_the_ledger_does_not_tell_of_is_refused(shop: Shop) -> None:
    sold(shop)

    def beside_the_ledger() -> None:
        with transaction.atomic():
            row = LedgerTransaction.objects.create(key="other", text="less than goes out")
            for account, amount in (("payable", 10), ("cash", -10)):
                LedgerLine.objects.create(transaction=row, account=account, currency="EUR", amount_minor=amount)
            Payout.objects.create(
                organization=shop.acme, transaction=row, driver="invoice", currency="EUR", amount_minor=4_410
            )
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(Error, match="does not tell of movement"):
        beside_the_ledger()


def test_who_may_not_is_refused(shop: Shop, stripe: StripeDouble) -> None:
    sold_row = order(shop, offer_of(shop))
    for act, code in (
        (lambda: record_payout(actor=shop.publisher, payout_id=str(uuid.uuid4()), reference="x"), "operator_only"),
        (lambda: record_payout(actor=OPERATOR, payout_id=str(uuid.uuid4()), reference="x"), "not_found"),
        (
            lambda: connect_publisher(
                actor=shop.actor("owner of globex"), organization=shop.acme, return_url="http://127.0.0.1/"
            ),
            "wrong_organization",
        ),
        (lambda: open_portal(actor=shop.actor("owner of acme"), order_id=sold_row.pk), "not_found"),
        (lambda: open_portal(actor=shop.buyer, order_id=sold_row.pk), "portal_missing"),
    ):
        with pytest.raises(Refusal) as refused:
            act()
        assert refused.value.code == code


def test_the_buyer_of_a_subscription_finds_the_portal(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop, interval="month"))
    stripe.pay(placed.external_id)
    customer = stripe.objects[placed.external_id]["customer"]
    answer = shop.ask("buyer of globex", "POST", f"orders/{placed.pk}/portal")
    assert (answer.status_code, answer.json()["url"]) == (200, f"https://connect.stripe.invalid/{customer}")


def test_the_owner_sees_what_is_owed_and_connects(shop: Shop, stripe: StripeDouble) -> None:
    path = "organizations/acme/payouts"
    assert shop.ask("owner of acme", "GET", path).json() == {"is_connected": False, "owed": {}, "payouts": []}
    assert "stripe.invalid" in shop.ask("owner of acme", "POST", path).json()["url"]
    assert shop.ask("publisher of acme", "GET", path).status_code == 403
    assert shop.ask("owner of globex", "GET", path).status_code in (403, 404)


def test_without_keys_of_stripe_there_is_nothing_to_connect(shop: Shop) -> None:
    answer = shop.ask("owner of acme", "POST", "organizations/acme/payouts")
    assert (answer.status_code, answer.json()["code"]) == (409, "payouts_by_bank")


def test_the_operators_command(shop: Shop) -> None:
    def said(*arguments: str) -> str:
        out = StringIO()
        call_command("payouts", *arguments, stdout=out)
        return out.getvalue()

    assert said("list") == ""
    sold(shop)
    line = said("run")
    payout = Payout.objects.get()
    assert line == f"{payout.pk} acme 44.10 EUR by invoice: begun\n"
    assert said("paid", str(payout.pk), "--reference", "SEPA 1").endswith("by invoice: paid\n")
    with pytest.raises(CommandError, match="is no id of a payout"):
        said("paid", "7", "--reference", "x")

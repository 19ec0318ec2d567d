"""The ledger: its lines add up, money cannot move beside it, and what was written stays."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from django.db import Error, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.refusals import Refusal
from licensing.domain.bookkeeping import Fact, Split, entries_of
from licensing.models import LedgerLine, LedgerTransaction, Movement, Order
from licensing.services.record_invoice import record_invoice
from tests.licensing.buying import OPERATOR, end_state, ledger_sums, offer_of, order, pay
from tests.licensing.conftest import Shop

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def paid(shop: Shop) -> Order:
    return pay(order(shop, offer_of(shop)))


def told(key: str, lines: list[tuple[str, str, int]], moved: Order | None = None) -> None:
    """Write a transaction by hand and let the database check what it would check at the commit."""
    with transaction.atomic():
        row = LedgerTransaction.objects.create(key=key, text="by hand")
        for account, currency, amount in lines:
            LedgerLine.objects.create(transaction=row, account=account, currency=currency, amount_minor=amount)
        if moved:
            Movement.objects.create(
                order=moved, transaction=row, kind="payment", external_id=key, amount_minor=100, at=NOW
            )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_transaction_that_does_not_balance_is_refused(paid: Order) -> None:
    with pytest.raises(Error, match="does not balance"):
        told("gift", [("cash", "EUR", 100), ("fees", "USD", -100)])


def test_a_transaction_without_lines_is_refused(paid: Order) -> None:
    with pytest.raises(Error, match="has no lines"):
        told("nothing", [])


@pytest.mark.parametrize("amount", [99, 101])
def test_money_that_the_ledger_does_not_tell_of_cannot_move(paid: Order, amount: int) -> None:
    with pytest.raises(Error, match="does not tell of movement"):
        told("other", [("cash", "EUR", amount), ("fees", "EUR", -amount)], moved=paid)
    told("same", [("cash", "EUR", 100), ("fees", "EUR", -100)], moved=paid)


@pytest.mark.parametrize("table", ["ledgertransaction", "ledgerline", "movement", "invoiceentry"])
@pytest.mark.parametrize("statement", ["UPDATE licensing_{} SET id = id", "DELETE FROM licensing_{}"])
def test_what_was_written_stays(paid: Order, table: str, statement: str) -> None:
    with pytest.raises(Error, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


def test_a_payment_in_parts_is_licensed_with_the_last_part(shop: Shop) -> None:
    placed = order(shop, offer_of(shop))
    assert pay(placed, amount_minor=4_000, reference="bank-1").state == "open"
    assert not placed.grants.exists()
    assert pay(placed, amount_minor=900, reference="bank-2").state == "paid"
    assert placed.grants.count() == 1
    assert ledger_sums() == {"EUR": 0}


def test_the_same_bank_reference_twice_is_one_payment(paid: Order) -> None:
    before = end_state(paid)
    assert end_state(pay(paid)) == before
    with pytest.raises(Refusal) as refused:
        pay(paid, amount_minor=1)
    assert refused.value.code == "reference_used"
    assert end_state(paid) == before


def test_what_goes_back_is_at_most_what_came(paid: Order) -> None:
    for amount, code in ((4_901, "amount_invalid"), (0, "amount_invalid"), (-1, "amount_invalid")):
        with pytest.raises(Refusal) as refused:
            record_invoice(actor=OPERATOR, number=paid.number, kind="refunded", amount_minor=amount, reference="back")
        assert refused.value.code == code
    back = record_invoice(actor=OPERATOR, number=paid.number, kind="refunded", amount_minor=4_900, reference="back")
    assert end_state(back)["state"] == "refunded"
    assert {amount for *_account, amount in end_state(back)["ledger"]} == {0}
    assert back.grants.get().revoked_code == "license_refunded"


def test_only_the_operator_says_what_was_paid(shop: Shop) -> None:
    placed = order(shop, offer_of(shop))
    for who in (shop.buyer, shop.publisher, shop.actor("owner of acme")):
        with pytest.raises(Refusal) as refused:
            record_invoice(actor=who, number=placed.number, kind="paid", amount_minor=4_900, reference="mine")
        assert refused.value.code == "operator_only"
    assert not placed.invoice_entries.exists()


@given(
    net=st.integers(1, 10**8),
    tax=st.integers(0, 10**7),
    fee=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 10**8), max_size=6),
)
def test_parts_of_parts_add_up_to_the_whole(net: int, tax: int, fee: int, cuts: list[int]) -> None:
    split = Split(net_minor=net, tax_minor=tax, fee_minor=min(fee, net))
    borders = sorted({0, split.total_minor, *(cut % (split.total_minor + 1) for cut in cuts)})
    sums: dict[str, int] = {}
    for start, end in pairwise(borders):
        entries = entries_of(Fact("payment", "x", end - start, NOW), split, before_minor=start)
        assert sum(entry.amount_minor for entry in entries) == 0
        for entry in entries:
            sums[entry.account] = sums.get(entry.account, 0) + entry.amount_minor
    expected = {"cash": net + tax, "payable": split.fee_minor - net, "fees": -split.fee_minor, "tax": -tax}
    assert sums == {account: amount for account, amount in expected.items() if amount or account in sums}

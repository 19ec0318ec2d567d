"""Killed at every step: after each statement of a purchase the process ends as by kill -9, and the next try goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections

from accounts.actors import Actor
from licensing.models import Grant, LedgerTransaction, Movement, Offer, Order
from licensing.services.accept_offer import accept_offer
from tests.licensing.buying import end_state, ledger_sums, new_buyer, offer_of, order, pay
from tests.licensing.conftest import BOTH, Shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Act = Callable[[Actor], Any]


def killed_at(statement: int, act: Callable[[], Any]) -> bool:
    """Run ``act`` in a process of its own that kills itself before its n-th statement or commit; whether it came that far."""
    connections.close_all()  # else the child would speak on ours
    child = os.fork()
    if child == 0:
        seen = 0

        def count(execute: Any, *arguments: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(*arguments)

        commit, connection.commit = connection.commit, lambda: count(commit)
        code = 1
        try:
            with connection.execute_wrapper(count):
                act()
            code = 0
        finally:
            os._exit(code)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the purchase failed by itself"
    return os.WIFSIGNALED(status)


def at_every_statement(prepare: Callable[[int], Actor], act: Act, check: Callable[[Actor], None]) -> int:
    """Kill ``act`` once at each of its statements, each time for a new buyer, and let it be tried again."""
    for statement in range(1, 500):
        buyer = prepare(statement)
        was_killed = killed_at(statement, lambda buyer=buyer: act(buyer))
        act(buyer)
        check(buyer)
        if not was_killed:
            return statement - 1
    raise AssertionError("it never ends")


def buyer(number: int) -> Actor:
    return new_buyer(f"buyer-{number}")


def paid_state(row: Order) -> dict[str, Any]:
    state = end_state(row)
    return {name: state[name] for name in ("state", "ledger", "permissions")} | {"grants": len(state["grants"])}


def test_an_order_is_there_once_or_not_at_all(committed_shop: Shop) -> None:
    offer = offer_of(committed_shop)

    def check(buyer: Actor) -> None:
        assert Order.objects.filter(organization_id=buyer.organization_id, state="open").count() == 1

    killed = at_every_statement(buyer, lambda buyer: order(committed_shop, offer, buyer), check)
    assert killed > 10
    assert sorted(Order.objects.values_list("number", flat=True)) == list(range(1, Order.objects.count() + 1))


def test_a_payment_is_in_the_ledger_once_with_its_license(committed_shop: Shop, settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"fee_basis_points": 1000, "tax_basis_points": 1900})
    offer = offer_of(committed_shop)
    first = pay(order(committed_shop, offer, buyer(0)))
    expected = comparable(paid_state(first))

    def prepare(number: int) -> Actor:
        actor = buyer(number)
        order(committed_shop, offer, actor)
        return actor

    def check(buyer: Actor) -> None:
        row = Order.objects.get(organization_id=buyer.organization_id)
        assert comparable(paid_state(row)) == expected
        assert ledger_sums() == {"EUR": 0}

    killed = at_every_statement(
        prepare, lambda buyer: pay(Order.objects.get(organization_id=buyer.organization_id)), check
    )
    assert killed > 30
    paid = Order.objects.filter(state="paid").count()
    assert (Movement.objects.count(), LedgerTransaction.objects.count()) == (paid, paid)
    assert expected["permissions"] == BOTH


def comparable(state: dict[str, Any]) -> dict[str, Any]:
    """Without who bought: the accounts and their amounts are the same for each buyer."""
    return state | {"ledger": sorted((account, amount) for account, _who, _currency, amount in state["ledger"])}


def test_a_free_license_is_whole_or_not_there(committed_shop: Shop) -> None:
    offer: Offer = committed_shop.free

    def check(buyer: Actor) -> None:
        grant = Grant.objects.get(organization_id=buyer.organization_id)
        assert grant.acceptance.offer == offer

    def act(buyer: Actor) -> None:
        accept_offer(actor=buyer, offer_id=offer.pk, terms_sha256=offer.terms.text_sha256)

    assert at_every_statement(buyer, act, check) > 10

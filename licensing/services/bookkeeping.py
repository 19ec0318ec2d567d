"""Writing into the ledger. Nothing else does."""

from __future__ import annotations

from licensing.domain.bookkeeping import Entry, Fact, Split, entries_of
from licensing.models import LedgerLine, LedgerTransaction, Movement, Order

_REVERSALS = ("refund", "dispute_lost")


def write_movement(order: Order, fact: Fact, earlier: list[Movement]) -> Movement:
    """A movement with its ledger transaction. ``earlier``: the order's movements so far; the order's row is locked."""
    same_direction = ("payment",) if fact.kind == "payment" else _REVERSALS
    before = sum(movement.amount_minor for movement in earlier if movement.kind in same_direction)
    split = Split(net_minor=order.net_minor, tax_minor=order.tax_minor, fee_minor=order.fee_minor)
    transaction = write(
        f"{fact.kind}:{order.pk}:{fact.external_id}",
        f"{fact.kind} for {order}",
        order,
        entries_of(fact, split, before_minor=before),
    )
    return Movement.objects.create(
        order=order,
        transaction=transaction,
        kind=fact.kind,
        external_id=fact.external_id,
        amount_minor=fact.amount_minor,
        at=fact.at,
    )


def write(key: str, text: str, order: Order, entries: list[Entry]) -> LedgerTransaction:
    """One balanced transaction about an order. The database refuses the same ``key`` twice."""
    transaction = LedgerTransaction.objects.create(key=key, text=text)
    publisher_id = order.offer.experience.organization_id
    LedgerLine.objects.bulk_create(
        LedgerLine(
            transaction=transaction,
            account=entry.account,
            organization_id=publisher_id if entry.of_publisher else None,
            currency=order.currency,
            amount_minor=entry.amount_minor,
        )
        for entry in entries
    )
    return transaction

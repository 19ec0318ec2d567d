"""Rules of money: how an amount divides, and which lines of the ledger a movement has. Minor units, integers only.

Accounts: ``cash`` (what the payment provider or the bank holds for us), ``disputed`` (what it keeps back meanwhile),
``payable`` (owed to a publisher), ``fees`` (the platform's own), ``tax`` (owed to the state).
Positive is debit, negative is credit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

ACCOUNTS: Final = ("cash", "disputed", "payable", "fees", "tax")
BASIS_POINTS: Final = 10_000
MovementKind = Literal["payment", "refund", "dispute", "dispute_won", "dispute_lost"]
ORDER_OF_KINDS: Final[tuple[MovementKind, ...]] = ("payment", "refund", "dispute", "dispute_won", "dispute_lost")
ZERO_DECIMAL: Final = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split())
"""Currencies without a smaller unit, as Stripe's documentation lists them."""


def part_of(amount_minor: int, basis_points: int) -> int:
    """A share of an amount, rounded half to even, never more than the amount."""
    exact = Decimal(amount_minor) * basis_points / BASIS_POINTS
    return min(amount_minor, int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)))


def in_words(amount_minor: int, currency: str) -> str:
    """``123456 EUR`` → ``1,234.56 EUR``; yen stay whole."""
    whole, point, cents = in_decimal(abs(amount_minor), currency).partition(".")
    return f"{'-' if amount_minor < 0 else ''}{int(whole):,}{point}{cents} {currency.upper()}"


def in_decimal(amount_minor: int, currency: str) -> str:
    """``123456 EUR`` → ``1234.56``; yen stay whole. Of an amount that is not negative."""
    if currency.upper() in ZERO_DECIMAL:
        return str(amount_minor)
    return f"{amount_minor // 100}.{amount_minor % 100:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How an order's total divides; ``net_minor + tax_minor`` is what the buyer pays."""

    net_minor: int
    tax_minor: int
    fee_minor: int

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor

    def until(self, amount_minor: int) -> tuple[int, int, int]:
        """(publisher, fee, tax) of the first so many units: so parts of parts always add up to the whole."""
        total = self.total_minor
        if amount_minor < 0:
            raise ValueError(f"an amount of {amount_minor}")
        tax = self.tax_minor * amount_minor // total
        fee = self.fee_minor * amount_minor // total
        return amount_minor - tax - fee, fee, tax

    def between(self, start_minor: int, end_minor: int) -> tuple[int, int, int]:
        """The division of the units after ``start_minor`` up to ``end_minor``."""
        first, last = self.until(start_minor), self.until(end_minor)
        return last[0] - first[0], last[1] - first[1], last[2] - first[2]


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """Money that moved, as the payment provider tells it."""

    kind: MovementKind
    external_id: str
    amount_minor: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger; ``of_publisher`` says whose account it is."""

    account: str
    amount_minor: int
    of_publisher: bool = False


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """The one order in which facts are written down, whatever order they were heard in."""
    return sorted(set(facts), key=lambda fact: (ORDER_OF_KINDS.index(fact.kind), fact.at, fact.external_id))


def entries_of(fact: Fact, split: Split, *, before_minor: int) -> list[Entry]:
    """The ledger's lines for one movement; they add up to zero.

    ``before_minor``: how much of the order was paid before a payment, or refunded and lost before a refund or loss: so
    rounding never leaves a cent.
    """
    amount = fact.amount_minor
    parts = split.between(before_minor, before_minor + amount)
    if fact.kind == "payment":
        return _without_zeros([Entry("cash", amount), *_earned(parts, -1)])
    if fact.kind == "refund":
        return _without_zeros([Entry("cash", -amount), *_earned(parts, 1)])
    if fact.kind == "dispute":
        return [Entry("disputed", amount), Entry("cash", -amount)]
    if fact.kind == "dispute_won":
        return [Entry("cash", amount), Entry("disputed", -amount)]
    return _without_zeros([Entry("disputed", -amount), *_earned(parts, 1)])


def _earned(parts: tuple[int, int, int], sign: int) -> list[Entry]:
    publisher, fee, tax = parts
    return [
        Entry("payable", sign * publisher, of_publisher=True),
        Entry("fees", sign * fee),
        Entry("tax", sign * tax),
    ]


def _without_zeros(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.amount_minor]

"""What payment facts entitle to: the state of an order and of the license that hangs on it. Pure, and in no order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from licensing.domain.bookkeeping import Fact

GRACE: Final = timedelta(days=7)
"""How long a subscription goes on after a payment failed, while the provider tries again."""
SHORTEST: Final = timedelta(seconds=1)
"""What is given back wholly still ends after it started, as the database asks."""
OrderState = Literal["open", "paid", "refunded", "canceled"]
SubscriptionStatus = Literal["", "trialing", "active", "past_due", "unpaid", "canceled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as the provider tells it."""

    status: SubscriptionStatus
    period_end: datetime
    period_start: datetime | None = None
    ends_with_period: bool = False
    ended_at: datetime | None = None
    is_paid_afterwards: bool = False
    """What was used is billed at the end of each period: the license begins before anything is paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """What a provider has billed for a month's use, as an invoice of its own."""

    external_id: str
    month: date
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a provider knows of one order now; never a part of it."""

    movements: Collection[Fact] = ()
    subscription: Subscription | None = None
    is_canceled: bool = False
    """The checkout was given up or has expired: nothing will be paid."""
    tax_minor: int | None = None
    """The tax as the provider reckoned it at the checkout; None where it is ours to reckon."""
    due_minor: int | None = None
    """What the provider asked for at the checkout; None where it is ours to say."""
    billed: Collection[Billed] = ()
    is_disputed: bool = False
    """Something billed is disputed, or was lost in a dispute."""

    def total(self, *kinds: str) -> int:
        return sum(fact.amount_minor for fact in self.movements if fact.kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What follows for the order and its license."""

    order: OrderState
    is_granted: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_frozen: bool = False
    revoked_code: str = ""
    """``license_refunded`` or ``license_disputed``; empty while nothing speaks against it."""


def standing_of(facts: Facts, *, total_minor: int, due_minor: int, grant_days: int | None) -> Standing:
    """Decide from the facts alone: whoever hears them twice, late or in another order comes to the same.

    ``total_minor``: what it costs, each period; ``due_minor``: what the first payment comes to, after a credit.
    """
    if facts.subscription is not None and facts.subscription.is_paid_afterwards:
        end = _subscription_end(facts.subscription)
        return Standing(order="paid", is_granted=True, ends_at=end, is_frozen=facts.is_disputed)
    is_trial = facts.subscription is not None and facts.subscription.status == "trialing"
    paid = facts.total("payment")
    if paid == 0 and not is_trial:
        return Standing(order="canceled" if facts.is_canceled else "open")
    starts_at = min((fact.at for fact in facts.movements if fact.kind == "payment"), default=None)
    reversed_minor = facts.total("refund", "dispute_lost")
    ends_at = _end(facts, starts_at, grant_days, paid_minor=paid, period_minor=total_minor)
    if ends_at is not None and starts_at is not None:
        ends_at = max(ends_at, starts_at + SHORTEST)
    if facts.total("dispute_lost") or (paid and reversed_minor >= paid):
        code = "license_disputed" if facts.total("dispute_lost") else "license_refunded"
        return Standing(order="refunded", is_granted=True, starts_at=starts_at, ends_at=ends_at, revoked_code=code)
    if facts.subscription is None and paid < (due_minor if facts.due_minor is None else facts.due_minor):
        return Standing(order="open")
    is_frozen = bool(_open_disputes(facts))
    return Standing(order="paid", is_granted=True, starts_at=starts_at, ends_at=ends_at, is_frozen=is_frozen)


def _end(
    facts: Facts, starts_at: datetime | None, grant_days: int | None, *, paid_minor: int, period_minor: int
) -> datetime | None:
    """With the subscription, or after the days that are still paid for; None until revoked."""
    if facts.subscription is not None:
        return _shortened(facts, facts.subscription, period_minor)
    if grant_days and starts_at:
        kept = 1 - facts.total("refund", "dispute_lost") / paid_minor
        return starts_at + timedelta(seconds=round(grant_days * 86_400 * kept))
    return None


def _shortened(facts: Facts, subscription: Subscription, period_minor: int) -> datetime:
    """Without grace, and shorter, where part of the present period's price was given back."""
    start = subscription.period_start
    if start is None or not period_minor:
        return _subscription_end(subscription)
    back = sum(fact.amount_minor for fact in facts.movements if fact.kind == "refund" and fact.at >= start)
    if not back:
        return _subscription_end(subscription)
    length = (subscription.period_end - start).total_seconds()
    kept = start + timedelta(seconds=round(length * max(0.0, 1 - back / period_minor)))
    return min(kept, _subscription_end(subscription))


def _open_disputes(facts: Facts) -> set[str]:
    opened = {fact.external_id for fact in facts.movements if fact.kind == "dispute"}
    return opened - {fact.external_id for fact in facts.movements if fact.kind in ("dispute_won", "dispute_lost")}


def _subscription_end(subscription: Subscription) -> datetime:
    """When the license ends unless more is paid: with the paid period, and a grace while a payment is retried."""
    if subscription.ended_at is not None:
        return min(subscription.ended_at, subscription.period_end)
    if subscription.status in ("active", "trialing", "past_due") and not subscription.ends_with_period:
        return subscription.period_end + GRACE
    return subscription.period_end

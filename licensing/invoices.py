"""What stands on an invoice and on a statement, read from the rows. ``licensing.paper`` draws it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language, gettext

from accounts.models import Organization
from licensing.domain.bookkeeping import in_words
from licensing.models import LedgerLine, Movement, Order
from licensing.sheets import Sheet, Table
from licensing.sold import ledger_of

DAY: Final = "%Y-%m-%d"


def invoice_of(order: Order) -> Sheet:
    """The invoice of an order of the driver ``invoice`` as it stands: what was ordered, what came in, what is due."""
    currency = order.currency
    moved = list(order.movements.order_by("at", "pk"))
    credit = order.total_minor - order.due_minor
    sums = [
        (gettext("Net"), in_words(order.net_minor, currency)),
        (_tax_named(order), in_words(order.tax_minor, currency)),
        (gettext("Total"), in_words(order.total_minor, currency)),
    ]
    if credit:
        sums.append((gettext("Set off for the license it replaces, with its tax"), in_words(-credit, currency)))
    open_minor = _open_minor(order, moved)
    sums.append((gettext("Due"), in_words(open_minor, currency)))
    configuration = settings.KEIKEN
    return Sheet(
        title=gettext("Invoice {number}").format(number=order),
        language=get_language() or "en",
        at=moved[-1].at if moved else order.created_at,
        from_lines=_lines(configuration.invoice_seller),
        to_lines=_lines(order.billed_to) or [order.organization.name],
        facts=_facts(order),
        tables=[_ordered(order), *([_received(moved, currency)] if moved else [])],
        sums=sums,
        notes=[
            gettext("Please transfer the amount with the number {number} as its reference.").format(number=order),
            *_lines(configuration.invoice_bank),
        ]
        if open_minor
        else [],
    )


def statement_sheet(organization: Organization, month: date) -> Sheet:
    """A month of an organization's lines in the ledger, with a sum for each currency."""
    lines = ledger_of(organization, month)
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, 0) - line.amount_minor
    return Sheet(
        title=gettext("Statement {month}").format(month=f"{month:%Y-%m}"),
        language=get_language() or "en",
        at=lines[-1].transaction.at if lines else datetime(month.year, month.month, 1, tzinfo=UTC),
        from_lines=_lines(settings.KEIKEN.invoice_seller),
        to_lines=[organization.name],
        tables=[
            Table(
                heads=[gettext("Day"), gettext("What"), gettext("Account"), gettext("Amount")],
                rows=[_told(line) for line in lines],
                widths=[15, 50, 15, 20],
                right=frozenset({3}),
            )
        ],
        sums=[(gettext("Sum"), in_words(amount, currency)) for currency, amount in sorted(sums.items())],
        notes=[gettext("What is owed to {name} is positive.").format(name=organization.name)],
    )


def _told(line: LedgerLine) -> list[str]:
    at = line.transaction.at.astimezone(UTC)
    return [f"{at:{DAY}}", line.transaction.text, line.account, in_words(-line.amount_minor, line.currency)]


def _open_minor(order: Order, moved: list[Movement]) -> int:
    """What is still to be paid now; a further period of a subscription once the paid one has ended."""
    if order.state == Order.State.CANCELED:
        return 0
    if order.offer.interval and order.period_end and order.movements.filter(kind="payment").exists():
        is_over = order.period_end <= timezone.now() and not order.ends_with_period
        return order.total_minor if is_over else 0
    paid = sum(row.amount_minor for row in moved if row.kind == "payment")
    return max(0, order.due_minor - paid)


def _facts(order: Order) -> list[tuple[str, str]]:
    configuration = settings.KEIKEN
    found = [
        (gettext("Number"), str(order)),
        (gettext("Day"), f"{order.created_at.astimezone(UTC):{DAY}}"),
        (gettext("State"), str(order.get_state_display())),
    ]
    if configuration.invoice_tax_id:
        found.append((gettext("Tax number"), configuration.invoice_tax_id))
    return found


def _ordered(order: Order) -> Table:
    offer = order.offer
    what = f"{offer.experience} ({offer.get_kind_display()})"
    if offer.plan:
        what += f" · {offer.plan}"
    if order.billed_month:
        what += " · " + gettext("replays in {month}").format(month=f"{order.billed_month:%Y-%m}")
    return Table(
        heads=[gettext("What"), gettext("Publisher"), gettext("Terms"), gettext("Net")],
        rows=[[what, offer.experience.organization.name, str(offer.terms), in_words(order.net_minor, order.currency)]],
        widths=[45, 20, 20, 15],
        right=frozenset({3}),
    )


def _received(moved: list[Movement], currency: str) -> Table:
    rows = [
        [
            f"{row.at.astimezone(UTC):{DAY}}",
            str(row.get_kind_display()),
            row.external_id,
            in_words(row.amount_minor if row.kind == "payment" else -row.amount_minor, currency),
        ]
        for row in moved
    ]
    return Table(
        heads=[gettext("Day"), gettext("Received or paid back"), gettext("Reference"), gettext("Amount")],
        rows=rows,
        widths=[15, 25, 40, 20],
        right=frozenset({3}),
    )


def _tax_named(order: Order) -> str:
    """With its rate, where the amounts tell one."""
    if not order.tax_minor:
        return gettext("Tax")
    rate = f"{round(100 * order.tax_minor / order.net_minor, 1):g}"
    return gettext("Tax ({rate} %)").format(rate=rate)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("|", "\n").splitlines() if line.strip()]

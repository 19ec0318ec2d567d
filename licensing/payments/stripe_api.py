"""Stripe: Checkout for the payment, Billing for subscriptions. Only the endpoints named here are used:

POST /v1/checkout/sessions · GET /v1/checkout/sessions/{id} · POST …/expire · POST /v1/coupons ·
GET /v1/payment_intents/{id} · GET, POST /v1/refunds · GET /v1/disputes · POST /v1/subscriptions/{id} ·
GET /v1/invoices, /v1/invoices/{id}, /v1/invoice_payments · POST /v1/billing_portal/sessions; and those of ``connect``
and ``metering``. A restricted key needs exactly these
(docs/money.md names its permissions). Every write carries an idempotency key: ours where a
later try must be the same write, else the SDK's own for the tries of one call.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any, cast

import stripe

from licensing.domain.bookkeeping import Fact, MovementKind
from licensing.domain.entitling import Billed, Facts, Subscription
from licensing.domain.periods import after_interval, month_of
from licensing.models import Offer, Order
from licensing.payments.asking import asking
from licensing.payments.metering import price_of
from licensing.payments.protocol import ProviderTrouble, Started

_OPEN_DISPUTE = frozenset({"needs_response", "under_review", "warning_needs_response", "warning_under_review"})
_STATUS = frozenset({"trialing", "active", "past_due", "unpaid", "canceled"})


class StripeProvider:
    name = "stripe"

    def start(self, order: Order, *, return_url: str) -> Started:
        with asking() as api:
            session = api.v1.checkout.sessions.create(
                cast(Any, _session_parameters(api, order, return_url)),
                {"idempotency_key": f"order-{order.pk}"},
            )
        return Started(external_id=session.id, checkout_url=session.url or "")

    def facts(self, order: Order) -> Facts:
        if not order.external_id:
            return Facts()
        if order.billed_month is not None:
            return _invoice_facts(order.external_id)
        with asking() as api:
            session = api.v1.checkout.sessions.retrieve(
                order.external_id, {"expand": ["payment_intent", "subscription"]}
            )
            if session.mode == "subscription":
                metered = order.offer.kind == Offer.Kind.METERED
                return _metered_facts(api, session) if metered else _subscription_facts(api, session, order)
            payment = cast(Any, session.payment_intent)
            movements = [*_payment_facts(payment), *_returned(api, payment.id)] if payment else []
        return Facts(
            movements=movements,
            is_canceled=session.status == "expired",
            tax_minor=_tax(session, order),
            due_minor=session.amount_total,
        )

    def refund(self, order: Order, *, amount_minor: int, key: str) -> None:
        with asking() as api:
            left = amount_minor
            for intent, free in _refundable(api, order, key):
                part = min(left, free)
                if part:
                    api.v1.refunds.create(
                        {
                            "payment_intent": intent,
                            "amount": part,
                            "metadata": {"order": str(order.pk), "key": key},
                        },
                        {"idempotency_key": f"refund-{key}-{intent}"},
                    )
                left -= part
            if left:
                raise ProviderTrouble("less was paid than is to go back")

    def cancel(self, order: Order) -> None:
        with asking() as api:
            session = api.v1.checkout.sessions.retrieve(order.external_id)
            if session.subscription:
                api.v1.subscriptions.update(
                    _id(session.subscription),
                    {"cancel_at_period_end": True},
                    {"idempotency_key": f"cancel-{order.pk}"},
                )
            elif session.status == "open":
                api.v1.checkout.sessions.expire(order.external_id, {}, {"idempotency_key": f"expire-{order.pk}"})


def _credit(api: stripe.StripeClient, order: Order) -> str:
    """A coupon for once that takes the credit off the first payment; empty where there is none."""
    if not order.credit_minor:
        return ""
    coupon = api.v1.coupons.create(
        {
            "amount_off": order.credit_minor,
            "currency": order.currency.lower(),
            "duration": "once",
            "max_redemptions": 1,
            "name": "Unused part of the present license",
            "metadata": {"order": str(order.pk)},
        },
        {"idempotency_key": f"credit-{order.pk}"},
    )
    return coupon.id


def _refundable(api: stripe.StripeClient, order: Order, key: str) -> Iterator[tuple[str, int]]:
    """Each payment, newest first, with what can go back of it beside the refund ``key``: a second try is the same."""
    if order.billed_month is not None:
        paid = [intent] if (intent := _intent_of(_invoice(api, order.external_id))) else []
    elif (session := api.v1.checkout.sessions.retrieve(order.external_id)).mode == "subscription":
        paid = [intent for _paid, intent in _paid_invoices(api, _id(session.subscription)) if intent]
    else:
        paid = [_id(session.payment_intent)] if session.payment_intent else []
    for intent in reversed(paid):
        received = api.v1.payment_intents.retrieve(intent).amount_received
        found = api.v1.refunds.list({"payment_intent": intent, "limit": 100}).auto_paging_iter()
        others = [refund.to_dict() for refund in found if refund.status not in ("failed", "canceled")]
        gone = sum(refund["amount"] for refund in others if (refund["metadata"] or {}).get("key") != key)
        yield intent, max(0, received - gone)


def _session_parameters(api: stripe.StripeClient, order: Order, return_url: str) -> dict[str, Any]:
    offer, metadata = order.offer, {"order": str(order.pk)}
    if offer.kind == Offer.Kind.METERED:
        return _metered_parameters(api, order, return_url)
    price: dict[str, Any] = {
        "currency": order.currency.lower(),
        "unit_amount": order.net_minor,
        "tax_behavior": "exclusive",
        "product_data": {"name": str(offer.experience)},
    }
    parameters: dict[str, Any] = {
        "mode": "subscription" if offer.interval else "payment",
        "client_reference_id": str(order.pk),
        "metadata": metadata,
        "line_items": [{"quantity": 1, "price_data": price}],
        "automatic_tax": {"enabled": True},
        "success_url": f"{return_url}?paid=1",
        "cancel_url": return_url,
    }
    if offer.interval:
        price["recurring"] = {"interval": offer.interval}
        trial = {"trial_period_days": order.trial_days} if order.trial_days else {}
        parameters["subscription_data"] = {"metadata": metadata, **trial}
    else:
        parameters["payment_intent_data"] = {"metadata": metadata}
    if credit := _credit(api, order):
        parameters["discounts"] = [{"coupon": credit}]
    return parameters


def _metered_parameters(api: stripe.StripeClient, order: Order, return_url: str) -> dict[str, Any]:
    """Nothing is paid at the checkout; Stripe bills by calendar month, as the free replays and quotas count."""
    metadata = {"order": str(order.pk)}
    start_of_next = after_interval(order.created_at.astimezone(UTC).replace(day=1), "month")
    anchor = datetime.combine(month_of(start_of_next), time(), UTC)
    return {
        "mode": "subscription",
        "client_reference_id": str(order.pk),
        "metadata": metadata,
        "line_items": [{"price": price_of(api, order.offer)}],
        "automatic_tax": {"enabled": True},
        "subscription_data": {
            "metadata": metadata,
            "billing_cycle_anchor": int(anchor.timestamp()),
            "proration_behavior": "none",
        },
        "success_url": f"{return_url}?paid=1",
        "cancel_url": return_url,
    }


def _metered_facts(api: stripe.StripeClient, session: Any) -> Facts:
    """Each month's invoice is an order of its own; what is disputed among them rests the license."""
    subscription = session.subscription
    if not subscription:
        return Facts(is_canceled=session.status == "expired")
    invoices = [
        invoice
        for invoice in api.v1.invoices.list(
            {"subscription": subscription.id, "limit": 100, "expand": ["data.payments"]}
        ).auto_paging_iter()
        if invoice.total and invoice.status in ("open", "paid", "uncollectible")
    ]
    intents = [intent for invoice in invoices if (intent := _intent_of(invoice))]
    return Facts(
        subscription=_subscription(subscription, is_paid_afterwards=True),
        billed=[_billed(invoice) for invoice in sorted(invoices, key=lambda row: (row.created, row.id))],
        is_disputed=any(_is_disputed(api, intent) for intent in intents),
    )


def _is_disputed(api: stripe.StripeClient, intent: str) -> bool:
    kinds = [fact.kind for dispute in _disputes(api, intent) for fact in _dispute_facts(dispute)]
    return "dispute_lost" in kinds or kinds.count("dispute") > kinds.count("dispute_won")


def _billed(invoice: Any) -> Billed:
    net = invoice.total_excluding_tax if invoice.total_excluding_tax is not None else invoice.total
    month = month_of(_moment(invoice.period_start))
    return Billed(external_id=invoice.id, month=month, net_minor=net, tax_minor=invoice.total - net)


def _invoice_facts(invoice_id: str) -> Facts:
    with asking() as api:
        invoice = _invoice(api, invoice_id)
        intent = _intent_of(invoice)
        moved = _returned(api, intent) if intent else []
    if invoice.status == "paid" and invoice.amount_paid:
        moved.append(Fact("payment", invoice.id, invoice.amount_paid, _moment(invoice.created)))
    return Facts(movements=moved, is_canceled=invoice.status == "void", due_minor=invoice.total)


def _invoice(api: stripe.StripeClient, invoice_id: str) -> Any:
    return api.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]})


def _intent_of(invoice: Any) -> str | None:
    """Of its payment, however many attempts it took."""
    payments = invoice.payments.data if invoice.payments else []
    return next((_id(row.payment.payment_intent) for row in payments if row.payment.payment_intent), None)


def _subscription(subscription: Any, *, is_paid_afterwards: bool = False) -> Subscription:
    items = subscription["items"].data
    return Subscription(
        status=cast(Any, subscription.status if subscription.status in _STATUS else "unpaid"),
        period_start=_moment(min(item.current_period_start for item in items)),
        period_end=_moment(max(item.current_period_end for item in items)),
        ends_with_period=subscription.cancel_at_period_end,
        ended_at=_moment(subscription.ended_at) if subscription.ended_at else None,
        is_paid_afterwards=is_paid_afterwards,
    )


def _subscription_facts(api: stripe.StripeClient, session: Any, order: Order) -> Facts:
    subscription = session.subscription
    if not subscription:
        return Facts(is_canceled=session.status == "expired")
    movements: list[Fact] = []
    tax_minor: int | None = None
    for invoice, intent in _paid_invoices(api, subscription.id):
        if tax_minor is None:
            tax_minor = _scaled(_taxes(invoice), invoice.total_excluding_tax, order.net_minor)
        movements += _returned(api, intent) if intent else []
        # The invoice is what was paid, however many attempts its payment took.
        movements.append(Fact("payment", invoice.id, invoice.amount_paid, _moment(invoice.created)))
    return Facts(
        movements=movements,
        subscription=_subscription(subscription),
        tax_minor=tax_minor,
    )


def _taxes(invoice: Any) -> int:
    return sum(tax.amount for tax in invoice.total_taxes or [])


def _scaled(tax_minor: int, of_minor: int | None, net_minor: int) -> int:
    """The tax on the whole net price, where it is known of a part: a credit lowers the first payment only."""
    if not of_minor or of_minor == net_minor:
        return tax_minor
    return (2 * tax_minor * net_minor + of_minor) // (2 * of_minor)


def _paid_invoices(api: stripe.StripeClient, subscription_id: str) -> Iterator[tuple[Any, str | None]]:
    """Each invoice that money was paid for, oldest first, with its payment intent."""
    invoices = api.v1.invoices.list(
        {"subscription": subscription_id, "status": "paid", "limit": 100, "expand": ["data.payments"]}
    )
    paid = [invoice for invoice in invoices.auto_paging_iter() if invoice.amount_paid]
    for invoice in sorted(paid, key=lambda invoice: (invoice.created, invoice.id)):
        yield invoice, _intent_of(invoice)


def _payment_facts(payment: Any) -> list[Fact]:
    if payment.status != "succeeded":
        return []
    return [Fact("payment", payment.id, payment.amount_received, _moment(payment.created))]


def _returned(api: stripe.StripeClient, intent: str) -> list[Fact]:
    """The refunds and the disputes of a payment."""
    refunds = api.v1.refunds.list({"payment_intent": intent, "limit": 100}).auto_paging_iter()
    found = [
        Fact("refund", refund.id, refund.amount, _moment(refund.created))
        for refund in refunds
        if refund.status == "succeeded"
    ]
    for dispute in _disputes(api, intent):
        found += _dispute_facts(dispute)
    return found


def _disputes(api: stripe.StripeClient, intent: str) -> Iterator[Any]:
    yield from api.v1.disputes.list({"payment_intent": intent, "limit": 100}).auto_paging_iter()


def _dispute_facts(dispute: Any) -> list[Fact]:
    """A dispute that is only a warning moves no money; one that is decided was opened before."""
    at = _moment(dispute.created)
    if dispute.status.startswith("warning") or dispute.status == "prevented":
        return []
    kinds: list[MovementKind] = ["dispute"]
    if dispute.status not in _OPEN_DISPUTE:
        kinds.append("dispute_won" if dispute.status == "won" else "dispute_lost")
    return [Fact(kind, dispute.id, dispute.amount, at) for kind in kinds]


def _tax(session: Any, order: Order) -> int | None:
    details = session.total_details
    if not details or session.status != "complete":
        return None
    return _scaled(int(details.amount_tax), session.amount_total - details.amount_tax, order.net_minor)


def _id(reference: Any) -> str:
    """Of an object that may be expanded."""
    return reference if isinstance(reference, str) else str(reference.id)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def order_of(event: dict[str, Any]) -> str | None:
    """The order that an event is about: as its object says, else as its payment says when asked. None: not ours."""
    thing = event["data"]["object"]
    for metadata in (
        thing.get("metadata"),
        ((thing.get("parent") or {}).get("subscription_details") or {}).get("metadata"),
    ):
        if metadata and metadata.get("order"):
            return str(metadata["order"])
    intent = thing["id"] if thing.get("object") == "payment_intent" else thing.get("payment_intent")
    if not intent:
        return None
    with asking() as api:
        payment = api.v1.payment_intents.retrieve(_id(intent)).to_dict()
        named = (payment.get("metadata") or {}).get("order")
        return str(named) if named else _order_of_invoice_paid_by(api, _id(intent))


def _order_of_invoice_paid_by(api: stripe.StripeClient, intent: str) -> str | None:
    """A subscription's payments carry no metadata of ours; the invoice that they pay names the subscription's."""
    payments = api.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent}, "limit": 1, "expand": ["data.invoice"]}
    )
    for row in payments.data:
        parent = (cast(Any, row.invoice).to_dict().get("parent") or {}).get("subscription_details") or {}
        return str((parent.get("metadata") or {}).get("order") or "") or None
    return None


def portal_url(order: Order, return_url: str) -> str | None:
    """Where the buyer looks after cards and invoices; None where nothing was bought yet. Raises ProviderTrouble."""
    with asking() as api:
        customer = api.v1.checkout.sessions.retrieve(order.external_id).customer
        if customer is None:
            return None
        customer_id = _id(customer)
        return api.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}).url

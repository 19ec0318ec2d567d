"""Stripe: Checkout for the payment, Billing for subscriptions. Only the endpoints named here are used:

POST /v1/checkout/sessions · GET /v1/checkout/sessions/{id} · POST …/expire · POST /v1/coupons ·
GET /v1/payment_intents/{id} · GET, POST /v1/refunds · GET /v1/disputes · GET, POST /v1/subscriptions/{id} ·
GET /v1/invoices · POST /v1/billing_portal/sessions; and those of ``connect``. A restricted key needs exactly these
(docs/money.md names its permissions). Every write carries an idempotency key: ours where a
later try must be the same write, else the SDK's own for the tries of one call.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import stripe
from django.conf import settings

from licensing.domain.bookkeeping import Fact, MovementKind
from licensing.domain.entitling import Facts, Subscription
from licensing.models import Order
from licensing.payments.protocol import ProviderTrouble, Started

TIMEOUT_SECONDS = 20
_OPEN_DISPUTE = frozenset({"needs_response", "under_review", "warning_needs_response", "warning_under_review"})
_STATUS = frozenset({"trialing", "active", "past_due", "unpaid", "canceled"})


def client() -> stripe.StripeClient:
    """The official SDK with our key; it repeats failed requests by itself, under the same idempotency key."""
    return _client(settings.KEIKEN.stripe_api_key, settings.KEIKEN.stripe_api_base)


@functools.lru_cache(maxsize=4)
def _client(api_key: str, address: str) -> stripe.StripeClient:
    """Kept, so that connections are used again."""
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": address},
        max_network_retries=2,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )


@contextlib.contextmanager
def asking() -> Iterator[stripe.StripeClient]:
    """Stripe's errors as ours. Never a key in a message."""
    try:
        yield client()
    except stripe.StripeError as error:
        raise ProviderTrouble(f"Stripe answered {type(error).__name__} ({error.code or error.http_status})") from error


class StripeProvider:
    name = "stripe"

    def start(self, order: Order, *, return_url: str) -> Started:
        with asking() as api:
            session = api.v1.checkout.sessions.create(
                cast(Any, _session_parameters(order, return_url, _credit(api, order))),
                {"idempotency_key": f"order-{order.pk}"},
            )
        return Started(external_id=session.id, checkout_url=session.url or "")

    def facts(self, order: Order) -> Facts:
        if not order.external_id:
            return Facts()
        with asking() as api:
            session = api.v1.checkout.sessions.retrieve(order.external_id)
            if session.mode == "subscription":
                return _subscription_facts(api, session, order)
            movements = _movements(api, session.payment_intent) if session.payment_intent else []
        return Facts(
            movements=movements,
            is_canceled=session.status == "expired",
            tax_minor=_tax(session, order),
            due_minor=session.amount_total,
        )

    def refund(self, order: Order, *, amount_minor: int, key: str) -> None:
        with asking() as api:
            left = amount_minor
            for intent, free in _refundable(api, api.v1.checkout.sessions.retrieve(order.external_id), key):
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


def _refundable(api: stripe.StripeClient, session: Any, key: str) -> Iterator[tuple[str, int]]:
    """Each payment, newest first, with what can go back of it beside the refund ``key``: a second try is the same."""
    if session.mode == "subscription":
        paid = [intent for _invoice, intent in _paid_invoices(api, _id(session.subscription)) if intent]
    else:
        paid = [_id(session.payment_intent)] if session.payment_intent else []
    for intent in reversed(paid):
        received = api.v1.payment_intents.retrieve(intent).amount_received
        found = api.v1.refunds.list({"payment_intent": intent, "limit": 100}).auto_paging_iter()
        others = [refund.to_dict() for refund in found if refund.status not in ("failed", "canceled")]
        gone = sum(refund["amount"] for refund in others if (refund["metadata"] or {}).get("key") != key)
        yield intent, max(0, received - gone)


def _session_parameters(order: Order, return_url: str, credit: str) -> dict[str, Any]:
    offer, metadata = order.offer, {"order": str(order.pk)}
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
    if credit:
        parameters["discounts"] = [{"coupon": credit}]
    return parameters


def _subscription_facts(api: stripe.StripeClient, session: Any, order: Order) -> Facts:
    if not session.subscription:
        return Facts(is_canceled=session.status == "expired")
    subscription = api.v1.subscriptions.retrieve(_id(session.subscription))
    items = subscription["items"].data
    movements: list[Fact] = []
    tax_minor: int | None = None
    for invoice, intent in _paid_invoices(api, subscription.id):
        if tax_minor is None:
            tax_minor = _scaled(_taxes(invoice), invoice.total_excluding_tax, order.net_minor)
        moved = _movements(api, intent) if intent else []
        # The invoice is what was paid, however many attempts its payment took.
        movements += [fact for fact in moved if fact.kind != "payment"]
        movements.append(Fact("payment", invoice.id, invoice.amount_paid, _moment(invoice.created)))
    return Facts(
        movements=movements,
        subscription=Subscription(
            status=cast(Any, subscription.status if subscription.status in _STATUS else "unpaid"),
            period_start=_moment(min(item.current_period_start for item in items)),
            period_end=_moment(max(item.current_period_end for item in items)),
            ends_with_period=subscription.cancel_at_period_end,
            ended_at=_moment(subscription.ended_at) if subscription.ended_at else None,
        ),
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
        payments = invoice.payments.data if invoice.payments else []
        intents = [_id(entry.payment.payment_intent) for entry in payments if entry.payment.payment_intent]
        yield invoice, intents[0] if intents else None


def _movements(api: stripe.StripeClient, intent: Any) -> list[Fact]:
    """The payment, its refunds and its disputes."""
    payment = api.v1.payment_intents.retrieve(_id(intent))
    found: list[Fact] = []
    if payment.status == "succeeded":
        found.append(Fact("payment", payment.id, payment.amount_received, _moment(payment.created)))
    for refund in api.v1.refunds.list({"payment_intent": payment.id, "limit": 100}).auto_paging_iter():
        if refund.status == "succeeded":
            found.append(Fact("refund", refund.id, refund.amount, _moment(refund.created)))
    for dispute in api.v1.disputes.list({"payment_intent": payment.id, "limit": 100}).auto_paging_iter():
        found += _dispute_facts(dispute)
    return found


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
        payment = api.v1.payment_intents.retrieve(_id(intent))
    return str((payment.to_dict().get("metadata") or {}).get("order") or "") or None


def portal_url(order: Order, return_url: str) -> str | None:
    """Where the buyer looks after cards and invoices; None where nothing was bought yet. Raises ProviderTrouble."""
    with asking() as api:
        customer = api.v1.checkout.sessions.retrieve(order.external_id).customer
        if customer is None:
            return None
        customer_id = _id(customer)
        return api.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}).url

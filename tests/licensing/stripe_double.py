"""A small stateful double of exactly the endpoints of Stripe that are used, on loopback, for the real SDK.

It knows what a test makes happen (``pay``, ``refund``, ``dispute``, ``renew`` …) and answers as Stripe's documentation
says; every happening also makes the events that Stripe would send, to be delivered by the test as it likes.
"""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any

API_VERSION = "2026-10-28.endive"
MONTH_SECONDS = 30 * 86_400
Object = dict[str, Any]


class StripeDouble:
    """The state of a pretended Stripe account. ``now`` is in seconds and moves only when told."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.objects: dict[str, Object] = {}
        self.by_key: dict[str, tuple[str, str]] = {}
        self.events: list[Object] = []
        self.requests: list[str] = []
        self.used: dict[str, str] = {}
        """Identifiers of meter events, and whose they are."""
        self.is_down = False
        self.fails: set[str] = set()
        """Writes that fail, as ``POST subscriptions``."""
        self.tax_basis_points = 0
        self._numbers = itertools.count(1)
        self.lock = threading.RLock()

    # --- what a test makes happen

    def pay(self, session_id: str) -> Object:
        """The buyer pays at Checkout. Returns the payment intent."""
        session = self.objects[session_id]
        session |= {"status": "complete", "payment_status": "paid"}
        if session["mode"] == "subscription":
            return self._begin_subscription(session)
        intent = self._intent(session["amount_total"], session["currency"], session["_payment_metadata"])
        session["payment_intent"] = intent["id"]
        self._tell("payment_intent.succeeded", intent)
        self._tell("checkout.session.completed", session)
        return intent

    def expire(self, session_id: str) -> None:
        session = self.objects[session_id]
        session["status"] = "expired"
        self._tell("checkout.session.expired", session)

    def refund(self, intent_id: str, amount: int, metadata: Object | None = None) -> Object:
        intent = self.objects[intent_id]
        refund = self._new(
            "re",
            "refund",
            amount=amount,
            currency=intent["currency"],
            payment_intent=intent_id,
            status="succeeded",
            metadata=metadata or {},
        )
        self._tell("charge.refunded", self._charge(intent))
        self._tell("refund.created", refund)
        return refund

    def dispute(self, intent_id: str) -> Object:
        intent = self.objects[intent_id]
        dispute = self._new(
            "dp",
            "dispute",
            amount=intent["amount_received"],
            currency=intent["currency"],
            payment_intent=intent_id,
            status="needs_response",
            metadata={},
        )
        self._tell("charge.dispute.created", dispute)
        return dispute

    def decide(self, dispute_id: str, status: str) -> None:
        self.objects[dispute_id]["status"] = status
        self._tell("charge.dispute.closed", self.objects[dispute_id])

    def renew(self, subscription_id: str) -> None:
        subscription = self.objects[subscription_id]
        item = subscription["items"]["data"][0]
        item["current_period_start"] = item["current_period_end"]
        item["current_period_end"] += MONTH_SECONDS
        subscription["status"] = "active"
        self._tell("invoice.paid", self._invoice(subscription))
        self._tell("customer.subscription.updated", subscription)

    def fail_renewal(self, subscription_id: str) -> None:
        subscription = self.objects[subscription_id]
        subscription["status"] = "past_due"
        self._tell("customer.subscription.updated", subscription)

    def end_subscription(self, subscription_id: str) -> None:
        subscription = self.objects[subscription_id]
        subscription |= {"status": "canceled", "ended_at": self.now + next(self._numbers)}
        self._tell("customer.subscription.deleted", subscription)

    # --- what the endpoints do

    def create_session(self, form: Object) -> Object:
        item = form["line_items"]["0"]
        price = item.get("price_data") or {"unit_amount": 0, "currency": self.objects[item["price"]]["currency"]}
        regular = int(price["unit_amount"])
        coupon = form.get("discounts", {}).get("0", {}).get("coupon")
        off = int(self.objects[coupon]["amount_off"]) if coupon else 0
        is_trial = "trial_period_days" in form.get("subscription_data", {})
        net = 0 if is_trial else regular - off
        tax = self._tax(net)
        return self._new(
            "cs_test",
            "checkout.session",
            mode=form["mode"],
            client_reference_id=form["client_reference_id"],
            metadata=form.get("metadata", {}),
            status="open",
            payment_status="unpaid",
            currency=price["currency"],
            amount_subtotal=0 if is_trial else regular,
            amount_total=net + tax,
            total_details={"amount_discount": 0 if is_trial else off, "amount_shipping": 0, "amount_tax": tax},
            automatic_tax={"enabled": form["automatic_tax"]["enabled"] == "true", "status": "complete"},
            payment_intent=None,
            subscription=None,
            customer=None,
            success_url=form["success_url"],
            cancel_url=form["cancel_url"],
            url=f"https://checkout.stripe.invalid/{len(self.objects)}",
            _interval=price.get("recurring", {}).get("interval", ""),
            _payment_metadata=form.get("payment_intent_data", {}).get("metadata", {}),
            _subscription=form.get("subscription_data", {}),
            _price=item.get("price"),
            _regular=regular,
            _off=off,
        )

    def create_coupon(self, form: Object) -> Object:
        return self._new(
            "co",
            "coupon",
            amount_off=int(form["amount_off"]),
            currency=form["currency"],
            duration=form["duration"],
            max_redemptions=int(form["max_redemptions"]),
            name=form["name"],
            metadata=form.get("metadata", {}),
        )

    def _tax(self, net: int) -> int:
        return net * self.tax_basis_points // 10_000

    def create_meter(self, form: Object) -> Object:
        names = ("display_name", "event_name", "default_aggregation", "customer_mapping", "value_settings")
        return self._new("mtr", "billing.meter", status="active", **{name: form[name] for name in names})

    def create_price(self, form: Object) -> Object:
        recurring = form["recurring"]
        assert self.objects[recurring["meter"]]["object"] == "billing.meter"
        tiers = form.get("tiers", {"0": {"up_to": "inf", "unit_amount": form.get("unit_amount", 0)}})
        return self._new(
            "price",
            "price",
            active=True,
            billing_scheme=form.get("billing_scheme", "per_unit"),
            currency=form["currency"],
            lookup_key=form["lookup_key"],
            recurring={**recurring, "interval_count": 1},
            tax_behavior=form["tax_behavior"],
            type="recurring",
            _tiers=[tiers[key] for key in sorted(tiers)],
        )

    def create_meter_event(self, form: Object) -> Object | None:
        """None for an identifier that is known."""
        if form["identifier"] in self.used:
            return None
        customer = form["payload"]["stripe_customer_id"]
        self.used[form["identifier"]] = customer
        names = ("event_name", "identifier", "payload")
        made = {name: form[name] for name in names} | {"timestamp": int(form["timestamp"])}
        return {"object": "billing.meter_event", "created": self.now, "livemode": False, **made}

    def bill(self, subscription_id: str) -> Object:
        """The month ends: an invoice of what was used, paid, and a new period."""
        subscription = self.objects[subscription_id]
        used = (
            sum(1 for customer in self.used.values() if customer == subscription["customer"]) - subscription["_billed"]
        )
        subscription["_billed"] += used
        subscription["_net"], rest = 0, used
        for tier in self.objects[subscription["_price"]]["_tiers"]:
            counted = rest if tier["up_to"] == "inf" else min(rest, int(tier["up_to"]))
            subscription["_net"] += counted * int(tier["unit_amount"])
            rest -= counted
        started = subscription["items"]["data"][0]["current_period_start"]
        self.renew(subscription_id)
        invoice = [thing for thing in self.objects.values() if thing["object"] == "invoice"][-1]
        invoice["period_start"] = started
        return invoice

    def create_account(self, form: Object) -> Object:
        return self._new("acct", "account", type=form["type"], payouts_enabled=False, metadata=form.get("metadata", {}))

    def finish_onboarding(self, account_id: str) -> None:
        """The publisher has told Stripe who they are."""
        self.objects[account_id]["payouts_enabled"] = True
        self._tell("account.updated", self.objects[account_id])

    def create_transfer(self, form: Object) -> Object:
        return self._new(
            "tr",
            "transfer",
            amount=int(form["amount"]),
            currency=form["currency"],
            destination=form["destination"],
            metadata=form.get("metadata", {}),
        )

    def _begin_subscription(self, session: Object) -> Object:
        trial = int(session["_subscription"].get("trial_period_days", 0))
        length = trial * 86_400 if trial else MONTH_SECONDS
        subscription = self._new(
            "sub",
            "subscription",
            status="trialing" if trial else "active",
            metadata=session["_subscription"].get("metadata", {}),
            cancel_at_period_end=False,
            ended_at=None,
            currency=session["currency"],
            customer=f"cus_{next(self._numbers):06}",
            _price=session["_price"],
            _billed=0,
            _net=session["_regular"],
            _off=session["_off"],
        )
        item = {
            "id": "si_1",
            "current_period_start": subscription["created"],
            "current_period_end": subscription["created"] + length,
        }
        subscription["items"] = {"object": "list", "data": [item]}
        session |= {"subscription": subscription["id"], "customer": subscription["customer"]}
        self._tell("customer.subscription.created", subscription)
        paid = subscription
        if not trial and not session["_price"]:
            invoice = self._invoice(subscription)
            self._tell("invoice.paid", invoice)
            paid = self.objects[invoice["payments"]["data"][0]["payment"]["payment_intent"]]
        self._tell("checkout.session.completed", session)
        return paid

    def _invoice(self, subscription: Object) -> Object:
        off, subscription["_off"] = subscription["_off"], 0  # a credit is for once
        net = subscription["_net"] - off
        tax = self._tax(net)
        intent = self._intent(net + tax, subscription["currency"], {})
        payment = self._new(
            "inpay",
            "invoice_payment",
            payment={"type": "payment_intent", "payment_intent": intent["id"]},
            status="paid",
        )
        details = {"subscription": subscription["id"], "metadata": subscription["metadata"]}
        invoice = self._new(
            "in",
            "invoice",
            status="paid",
            period_start=subscription["items"]["data"][0]["current_period_start"],
            amount_paid=net + tax,
            total=net + tax,
            total_excluding_tax=net,
            total_taxes=[{"amount": tax, "tax_behavior": "exclusive"}],
            currency=subscription["currency"],
            metadata={},
            parent={"type": "subscription_details", "subscription_details": details},
            payments={"object": "list", "data": [payment]},
            _subscription_id=subscription["id"],
        )
        payment["invoice"] = invoice["id"]
        return invoice

    def _intent(self, amount: int, currency: str, metadata: Object) -> Object:
        return self._new(
            "pi",
            "payment_intent",
            amount=amount,
            amount_received=amount,
            currency=currency,
            metadata=metadata,
            status="succeeded",
        )

    def _charge(self, intent: Object) -> Object:
        return {
            "id": f"ch_{intent['id'][3:]}",
            "object": "charge",
            "payment_intent": intent["id"],
            "metadata": intent["metadata"],
            "amount": intent["amount"],
        }

    def _new(self, prefix: str, kind: str, **fields: Any) -> Object:
        number = next(self._numbers)
        made = {
            "id": f"{prefix}_{number:06}",
            "object": kind,
            "created": self.now + number,
            "livemode": False,
            **fields,
        }
        if kind in ("refund", "account"):
            del made["livemode"]  # kinds that have none
        self.objects[made["id"]] = made
        return made

    def _tell(self, kind: str, thing: Object) -> None:
        number = len(self.events) + 1
        self.events.append(
            {
                "id": f"evt_{number:06}",
                "object": "event",
                "api_version": API_VERSION,
                "created": self.now + number,
                "livemode": False,
                "type": kind,
                "data": {"object": json.loads(json.dumps(shown(thing)))},
            }
        )


def shown(thing: Object) -> Object:
    """An object without what only the double knows."""
    return {name: value for name, value in thing.items() if not name.startswith("_")}

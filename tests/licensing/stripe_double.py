"""A small stateful double of exactly the endpoints of Stripe that are used, on loopback, for the real SDK.

It knows what a test makes happen (``pay``, ``refund``, ``dispute``, ``renew`` …) and answers as Stripe's documentation
says; every happening also makes the events that Stripe would send, to be delivered by the test as it likes.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
        price = form["line_items"]["0"]["price_data"]
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
            _net=session["_regular"],
            _off=session["_off"],
        )
        item = {
            "id": "si_1",
            "current_period_start": subscription["created"],
            "current_period_end": subscription["created"] + length,
        }
        subscription["items"] = {"object": "list", "data": [item]}
        session |= {"subscription": subscription["id"], "customer": "cus_000001"}
        self._tell("customer.subscription.created", subscription)
        paid = subscription
        if not trial:
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
        payment = {"id": "inpay_1", "payment": {"type": "payment_intent", "payment_intent": intent["id"]}}
        details = {"subscription": subscription["id"], "metadata": subscription["metadata"]}
        return self._new(
            "in",
            "invoice",
            status="paid",
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet
    double: StripeDouble

    def log_message(self, *_arguments: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parts, query = url.path.strip("/").split("/")[1:], dict(parse_qsl(url.query))
        with self.double.lock:
            self._answer(*self._read(parts, query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        parts = urlsplit(self.path).path.strip("/").split("/")[1:]
        key = self.headers.get("Idempotency-Key", "")
        with self.double.lock:
            known = self.double.by_key.get(key)
            if known and known[0] != body:
                self._answer(400, {"error": {"type": "idempotency_error", "message": "other parameters"}})
            elif known:
                self._answer(200, shown(self.double.objects[known[1]]))
            else:
                status, made = self._write(parts, nested(parse_qsl(body, keep_blank_values=True)))
                if status == 200 and key:
                    self.double.by_key[key] = (body, made["id"])
                self._answer(status, made)

    def _read(self, parts: list[str], query: Object) -> tuple[int, Object]:
        self.double.requests.append("GET " + "/".join(parts))
        if self.double.is_down:
            return 503, {"error": {"type": "api_error", "message": "down"}}
        kinds = {"refunds": "refund", "disputes": "dispute", "invoices": "invoice"}
        if len(parts) == 1 and parts[0] in kinds:
            wanted = query.get("payment_intent") or query.get("subscription")
            found = [
                shown(thing)
                for thing in self.double.objects.values()
                if thing["object"] == kinds[parts[0]]
                and wanted in (thing.get("payment_intent"), thing.get("_subscription_id"))
            ]
            return 200, {"object": "list", "data": found[::-1], "has_more": False, "url": f"/v1/{parts[0]}"}
        thing = self.double.objects.get(parts[-1])
        if thing is None:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "none"}}
        return 200, shown(thing)

    def _write(self, parts: list[str], form: Object) -> tuple[int, Object]:
        self.double.requests.append("POST " + "/".join(parts))
        if self.double.is_down or f"POST {parts[0]}" in self.double.fails:
            return 503, {"error": {"type": "api_error", "message": "down"}}
        if parts == ["checkout", "sessions"]:
            return 200, shown(self.double.create_session(form))
        if parts[:2] == ["checkout", "sessions"] and parts[3:] == ["expire"]:
            self.double.expire(parts[2])
            return 200, shown(self.double.objects[parts[2]])
        if parts == ["coupons"]:
            return 200, shown(self.double.create_coupon(form))
        if parts == ["refunds"]:
            intent = form["payment_intent"]
            return 200, shown(self.double.refund(intent, int(form["amount"]), form.get("metadata")))
        if parts == ["accounts"]:
            return 200, shown(self.double.create_account(form))
        if parts == ["transfers"]:
            return 200, shown(self.double.create_transfer(form))
        if parts in (["account_links"], ["billing_portal", "sessions"]):
            kind = "account_link" if parts[0] == "account_links" else "billing_portal.session"
            url = f"https://connect.stripe.invalid/{form.get('account') or form['customer']}"
            return 200, {"object": kind, "id": kind, "url": url, "created": self.double.now}
        if parts[0] == "subscriptions" and len(parts) == 2:
            subscription = self.double.objects[parts[1]]
            subscription["cancel_at_period_end"] = form.get("cancel_at_period_end") == "true"
            self.double._tell("customer.subscription.updated", subscription)
            return 200, shown(subscription)
        return 404, {"error": {"type": "invalid_request_error", "message": f"no such endpoint {parts}"}}

    def _answer(self, status: int, document: Object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Stripe-Should-Retry", "false")
        self.end_headers()
        self.wfile.write(body)


def nested(pairs: list[tuple[str, str]]) -> Object:
    """``a[b][0]=c`` as ``{"a": {"b": {"0": "c"}}}``."""
    found: Object = {}
    for name, value in pairs:
        first, *rest = name.replace("]", "").split("[")
        place = found
        for key, following in zip([first, *rest], rest, strict=False):
            place = place.setdefault(key, {})
            first = following
        place[first] = value
    return found


@contextmanager
def running(now: int) -> Iterator[tuple[StripeDouble, str]]:
    """The double and its address, until the block ends."""
    double = StripeDouble(now)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"double": double}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield double, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

"""The double of Stripe behind HTTP on loopback, for the real SDK."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.licensing.stripe_double import Object, StripeDouble, shown


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
                if status == 200 and key and made.get("id") in self.double.objects:
                    self.double.by_key[key] = (body, made["id"])
                self._answer(status, made)

    def _read(self, parts: list[str], query: Object) -> tuple[int, Object]:
        self.double.requests.append("GET " + "/".join(parts))
        if self.double.is_down:
            return 503, {"error": {"type": "api_error", "message": "down"}}
        lists = {"prices": ("price", "lookup_key"), "meters": ("billing.meter", "status")}
        if parts[-1] in lists:
            kind, name = lists[parts[-1]]
            wanted = query.get("lookup_keys[0]") or query.get("status")
            found = [
                shown(row) for row in self.double.objects.values() if row["object"] == kind and row[name] == wanted
            ]
            return 200, {"object": "list", "data": found, "has_more": False, "url": f"/v1/{'/'.join(parts)}"}
        if parts == ["invoice_payments"]:
            wanted = query["payment[payment_intent]"]
            rows = [row for row in self.double.objects.values() if row["object"] == "invoice_payment"]
            found = [
                {**shown(row), "invoice": shown(self.double.objects[row["invoice"]])}
                for row in rows
                if row["payment"]["payment_intent"] == wanted
            ]
            return 200, {"object": "list", "data": found, "has_more": False, "url": "/v1/invoice_payments"}
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
        answer = shown(thing)
        for name, place in query.items():
            if name.startswith("expand[") and isinstance(answer[place], str):
                answer[place] = shown(self.double.objects[answer[place]])
        return 200, answer

    def _write(self, parts: list[str], form: Object) -> tuple[int, Object]:
        self.double.requests.append("POST " + "/".join(parts))
        if self.double.is_down or f"POST {parts[0]}" in self.double.fails:
            return 503, {"error": {"type": "api_error", "message": "down"}}
        double = self.double
        makers = {
            "accounts": double.create_account,
            "billing/meters": double.create_meter,
            "checkout/sessions": double.create_session,
            "coupons": double.create_coupon,
            "prices": double.create_price,
            "transfers": double.create_transfer,
        }
        if (make := makers.get("/".join(parts))) is not None:
            return 200, shown(make(form))
        if parts == ["refunds"]:
            return 200, shown(double.refund(form["payment_intent"], int(form["amount"]), form.get("metadata")))
        return self._change(parts, form)

    def _change(self, parts: list[str], form: Object) -> tuple[int, Object]:
        """Writes that make nothing that is kept."""
        if parts[:2] == ["checkout", "sessions"] and parts[3:] == ["expire"]:
            self.double.expire(parts[2])
            return 200, shown(self.double.objects[parts[2]])
        if parts == ["billing", "meter_events"]:
            told = self.double.create_meter_event(form)
            message = f"An event already exists with identifier {form['identifier']}."
            return (200, told) if told else (400, {"error": {"type": "invalid_request_error", "message": message}})
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

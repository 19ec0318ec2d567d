"""Hold the loopback double of Stripe, field by field, against the fixtures that Stripe publishes (MIT; fixtures3.json).

The double plays a purchase, a subscription, a renewal, a refund and a dispute. Every field of every object it then
shows must exist in Stripe's own object of that kind with the same JSON type. A field that is null in Stripe's fixture
says nothing about its type: those are named, so that nobody takes them for checked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.licensing.stripe_double import StripeDouble, shown

FREE = frozenset({"metadata"})
"""Their keys are ours to choose."""
EXPANDED = {"invoice.payments": "invoice_payment"}
"""Lists that are only there where a request asks for them with ``expand``, and the kind of what they hold."""

OPTIONAL = frozenset({"invoice_payment.payment.payment_intent"})
"""Documented, but left out of the fixture because they are there in some cases only."""


def story() -> list[dict[str, Any]]:
    """One object of each kind at least, as the endpoints and events show them."""
    double = StripeDouble(now=1_764_000_000)
    price = {"unit_amount": "4900", "currency": "eur"}
    form = {
        "mode": "payment",
        "client_reference_id": "order",
        "line_items": {"0": {"price_data": price}},
        "automatic_tax": {"enabled": "true"},
        "success_url": "https://keiken.example/",
        "cancel_url": "https://keiken.example/",
    }
    paid = double.pay(double.create_session(form)["id"])
    double.refund(paid["id"], 100)
    double.decide(double.dispute(paid["id"])["id"], "won")
    monthly = {"price_data": {**price, "recurring": {"interval": "month"}}}
    session = double.create_session({**form, "mode": "subscription", "line_items": {"0": monthly}})
    double.pay(session["id"])
    double.renew(session["subscription"])
    meter = double.create_meter(
        {
            "display_name": "replays",
            "event_name": "replay",
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
    )
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter["id"]}
    unit = {"currency": "eur", "lookup_key": "keiken", "tax_behavior": "exclusive", "unit_amount": "5"}
    metered = double.create_price({**unit, "recurring": recurring})
    session = double.create_session({**form, "mode": "subscription", "line_items": {"0": {"price": metered["id"]}}})
    double.pay(session["id"])
    payload = {"stripe_customer_id": session["customer"], "value": "1"}
    told = double.create_meter_event({"event_name": "replay", "identifier": "1", "timestamp": "1", "payload": payload})
    assert told is not None
    double.bill(session["subscription"])
    double.create_coupon(
        {"amount_off": "100", "currency": "eur", "duration": "once", "max_redemptions": "1", "name": "credit"}
    )
    account = double.create_account({"type": "express"})
    double.create_transfer({"amount": "4410", "currency": "eur", "destination": account["id"]})
    return [shown(thing) for thing in [*double.objects.values(), double._charge(paid), told, *double.events]]


def compared(given: Any, theirs: Any, path: str) -> Iterator[tuple[str, str]]:
    """``(path, what)`` for each field below: ``same``, ``unknown`` (null in the fixture), or what is wrong."""
    if isinstance(given, dict) and isinstance(theirs, dict):
        for name, value in given.items():
            yield from _field(value, theirs, name, f"{path}.{name}")
    elif isinstance(given, list) and isinstance(theirs, list):
        for item in given:
            yield from compared(item, theirs[0], f"{path}[]") if theirs else [(f"{path}[]", "unknown")]
    elif theirs is None or given is None:
        yield path, "same" if given is theirs else "unknown"
    elif type(given) is not type(theirs):
        yield path, f"is {type(given).__name__}, and {type(theirs).__name__} at Stripe"
    else:
        yield path, "same"


def _field(value: Any, theirs: dict[str, Any], name: str, path: str) -> Iterator[tuple[str, str]]:
    if name not in theirs:
        yield path, "unknown" if path in OPTIONAL else "is no field of Stripe's object"
    elif name in FREE:
        yield path, "same" if isinstance(theirs[name], dict) else "unknown"
    else:
        yield from compared(value, theirs[name], path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fixtures", type=Path, help="fixtures3.json of Stripe's openapi repository.")
    resources = json.loads(parser.parse_args().fixtures.read_text())["resources"]
    verdicts: dict[str, str] = {}
    for thing in story():
        kind = thing["object"]
        if kind not in resources:
            verdicts[kind] = "is no object of Stripe's"
            continue
        theirs = resources[kind]
        skipped = {"data"} if kind == "event" else set()
        for path, held in EXPANDED.items():
            name = path.partition(".")[2]
            if path.startswith(f"{kind}.") and name in thing:
                skipped.add(name)
                for item in thing[name]["data"]:
                    verdicts |= dict(compared(item, resources[held], held))
        given = {name: value for name, value in thing.items() if name not in skipped}
        verdicts |= dict(compared(given, theirs, kind))
    wrong = {path: what for path, what in verdicts.items() if what not in ("same", "unknown")}
    unknown = sorted(path for path, what in verdicts.items() if what == "unknown")
    kinds = {path.split(".")[0] if not path.startswith("checkout.session") else "checkout.session" for path in verdicts}
    print(f"{len(verdicts)} fields of {len(kinds)} kinds of objects: {len(verdicts) - len(wrong) - len(unknown)} agree")
    print("null or left out in Stripe's fixture, so not compared:", ", ".join(unknown) or "none")
    for path, what in sorted(wrong.items()):
        print(f"{path} {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

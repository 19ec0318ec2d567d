"""``keiken buy`` and ``keiken licenses``: what is shown before money is spent, and what one has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import marketplaces
import pytest
from commands import Ran, keiken, keiken_json
from loopback import Answer
from marketplaces import KEY, Marketplace

REFERENCE = "acme/write-greeting"
TEXT, JA = "Only replay.\n", "再生だけ。\n"
SHA256 = hashlib.sha256(f"{TEXT}\f\n{JA}".encode()).hexdigest()
RULES = {"territory": ["DE", "JP"], "warranty": "none", "is_confidential": True}
TERMS = {"id": "terms-2", "name": "paid", "version": 1, "text_sha256": SHA256, "uses": ["replay"], "rules": RULES}
ORDER = {
    "id": "order-1",
    "number": 7,
    "experience": REFERENCE,
    "state": "open",
    "total": "49.00 EUR",
    "checkout_url": "",
}


@pytest.fixture(autouse=True)
def marketplace() -> Iterator[Marketplace]:
    with marketplaces.running() as running:
        assert keiken_json("login", "--server", running.url, KEIKEN_API_KEY=KEY).exit_code == 0
        yield running


def offered(marketplace: Marketplace, *plans: str, **terms: Any) -> None:
    """One more request is answered so: the offers, and their terms."""
    rows = [
        {"id": f"offer-{plan}", "kind": "subscription", "terms": TERMS, "pricing": {"plan": plan}, "price": "49.00 EUR"}
        for plan in plans
    ]
    marketplace.faults[f"GET /experiences/{REFERENCE}/offers"] = [Answer(200, rows)]
    marketplace.faults["GET /terms/terms-2"] = [Answer(200, {**TERMS, "text": TEXT, "text_ja": JA, **terms})]


def buy(*arguments: str) -> Ran:
    return keiken_json("buy", REFERENCE, *arguments)


def sent(marketplace: Marketplace) -> list[Any]:
    return [request.json for request in marketplace.requests if request.path.endswith("/orders") and request.json]


def test_both_texts_and_the_rules_are_shown_and_their_one_hash_is_ordered(marketplace: Marketplace) -> None:
    offered(marketplace, "team")
    marketplace.faults["POST /offers/offer-team/orders"] = [Answer(201, ORDER)]
    shown = keiken("buy", REFERENCE, "--yes", "--coupon", "SPRING")
    assert shown.exit_code == 0, shown.stderr
    for text in ("Only replay.", "再生だけ。", "Only in: DE, JP", "Warranty: none", "Keep it confidential.", SHA256):
        assert text in shown.stdout + shown.stderr
    assert sent(marketplace) == [{"terms_sha256": SHA256, "coupon": "SPRING"}]


def test_several_offers_are_told_apart_by_plan_and_price(marketplace: Marketplace) -> None:
    offered(marketplace, "team", "company")
    ran = buy("--yes")
    assert (ran.exit_code, ran.code) == (1, "offer_ambiguous")
    assert "--offer offer-company (subscription company 49.00 EUR)" in ran.document["error"]["advice"]
    offered(marketplace, "team", "company")
    marketplace.faults["POST /offers/offer-company/orders"] = [Answer(201, ORDER)]
    assert buy("--yes", "--offer", "offer-company").document["number"] == 7
    assert len(sent(marketplace)) == 1


@pytest.mark.parametrize("changed", [{"text_ja": "別の文面。\n"}, {"text_ja": ""}, {"text": "Another.\n"}])
def test_a_text_that_is_not_the_hashed_one_is_not_ordered(marketplace: Marketplace, changed: dict[str, str]) -> None:
    offered(marketplace, "team", **changed)
    assert (buy("--yes").code, sent(marketplace)) == ("terms_mismatch", [])


def test_without_a_yes_and_without_a_budget_nothing_is_bought(marketplace: Marketplace) -> None:
    offered(marketplace, "team")
    assert (buy().code, sent(marketplace)) == ("confirmation_missing", [])
    offered(marketplace, "team")
    problem = {"code": "budget_exceeded", "detail": "Too much.", "advice": "Ask: Ada.", "ask": ["Ada"]}
    marketplace.faults["POST /offers/offer-team/orders"] = [Answer(403, problem, {}, "application/problem+json")]
    ran = buy("--yes")
    assert (ran.exit_code, ran.code, ran.document["error"]["advice"]) == (3, "budget_exceeded", "Ask: Ada.")


def test_licenses_show_seats_and_what_is_used(marketplace: Marketplace) -> None:
    grant = {
        "id": "grant-1", "experience": REFERENCE, "state": "current", "uses": ["replay"], "ends_at": None,
        "seats": 10, "seats_taken": ["builder"], "replays_quota": 500, "replays_counted": 43,
    }  # fmt: skip
    for _twice in range(2):
        marketplace.faults.setdefault("GET /grants", []).append(Answer(200, {"results": [grant]}))
        marketplace.faults.setdefault("GET /orders", []).append(Answer(200, {"results": [ORDER]}))
    found = keiken_json("licenses").document
    assert (found["licenses"][0]["seats_taken"], found["orders"][0]["number"]) == (["builder"], 7)
    # The table breaks long cells into lines; the words are there in any case.
    words = set(keiken("licenses").stdout.replace("│", " ").split())
    assert {"10", "seats,", "43", "500", "replays", "49.00", "EUR"} <= words

"""Terms as machines read them: rules, both languages in one hash, ODRL, and texts to start from."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.refusals import Refusal
from licensing.domain.odrl import ACTIONS, policy_of
from licensing.domain.rules import NO_RULES, Rules, RulesMalformed, read_rules
from licensing.domain.spdx import EVERY_USE
from licensing.domain.templates import TEMPLATES
from licensing.models import Terms
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.create_terms import create_terms
from tests.licensing.conftest import TEXT, Shop, snapshot

JA = "再生だけができます。\n"
RULES = {
    "audience": "affiliates",
    "territory": ["JP", "DE"],
    "fields_of_use": ["internal operations"],
    "attribution": "Acme",
    "is_confidential": True,
    "warranty": "none",
    "liability": "limited",
    "support_contact": "help@acme.example",
}


def written(shop: Shop, **parts: Any) -> Terms:
    wanted = {"name": "both", "kind": "custom", "text": TEXT, "text_ja": JA, "uses": ["replay"], "rules": RULES}
    return create_terms(actor=shop.publisher, organization=shop.acme, **{**wanted, **parts})


def linked(shop: Shop, path: str) -> Any:
    answer = shop.ask("viewer of globex", "GET", path, Accept="application/ld+json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/ld+json")
    return answer.json()


def test_both_texts_are_accepted_with_one_hash_that_anybody_can_check(shop: Shop) -> None:
    terms = written(shop)
    offer = create_offer(actor=shop.publisher, experience=shop.public, terms=terms, kind="free")
    plain = shop.ask("viewer of globex", "GET", f"terms/{terms.pk}", Accept="text/plain").content
    assert plain == f"{TEXT}\f\n{JA}".encode()
    assert hashlib.sha256(plain).hexdigest() == terms.text_sha256
    answer = shop.ask("viewer of globex", "GET", f"terms/{terms.pk}").json()
    assert (answer["text"], answer["text_ja"], answer["rules"]) == (TEXT, JA, {**RULES, "territory": ["DE", "JP"]})
    only_english = hashlib.sha256(TEXT.encode()).hexdigest()
    refused = shop.ask("buyer of globex", "POST", f"offers/{offer.pk}/acceptances", {"terms_sha256": only_english})
    assert (refused.status_code, refused.json()["code"]) == (409, "terms_changed")
    assert shop.accept(offer).acceptance.text_sha256 == terms.text_sha256


def test_another_word_in_either_language_or_another_rule_is_a_new_version(shop: Shop) -> None:
    first = written(shop)
    assert written(shop) == first
    assert written(shop, rules={**RULES, "territory": ["DE", "JP", "JP"]}) == first
    later = [written(shop, text_ja="読むだけ。"), written(shop, text_ja=""), written(shop, rules={})]
    assert [row.version for row in later] == [2, 3, 4]
    assert len({first.text_sha256, *(row.text_sha256 for row in later[:2])}) == 3


@pytest.mark.parametrize(
    "parts",
    [
        {"rules": {"audience": "everybody"}},
        {"rules": {"territory": ["Japan"]}},
        {"rules": {"territory": "JP"}},
        {"rules": {"fields_of_use": ["x" * 501]}},
        {"rules": {"warranty": "a\nb"}},
        {"rules": {"is_confidential": "yes"}},
        {"rules": {"support_contact": "javascript:alert(1)"}},
        {"rules": {"price": 7}},
        {"text_ja": "a\fb"},
        {"text_ja": "あ" * 200_001},
        {"kind": "spdx", "spdx": "MIT"},
    ],
)
def test_rules_and_texts_that_cannot_be_used_are_refused(shop: Shop, parts: dict[str, Any]) -> None:
    before = snapshot()
    with pytest.raises(Refusal) as refused:
        written(shop, **parts)
    assert (refused.value.code, snapshot()) == ("terms_invalid", before)


@given(st.dictionaries(st.text(max_size=20), st.one_of(st.none(), st.text(), st.booleans(), st.lists(st.text()))))
def test_rules_are_read_or_refused_and_read_the_same_again(document: dict[str, Any]) -> None:
    try:
        rules = read_rules(document)
    except RulesMalformed:
        return
    assert read_rules(rules.document()) == rules


@given(st.sets(st.sampled_from(EVERY_USE), min_size=1))
def test_in_odrl_each_use_is_permitted_or_prohibited(uses: set[str]) -> None:
    policy = policy_of(uid="urn:x", publisher="acme", uses=sorted(uses), rules=NO_RULES, text_sha256="0" * 64)
    permitted = {row["action"] for row in policy["permission"]}
    prohibited = {row["action"] for row in policy.get("prohibition", [])}
    assert permitted == {ACTIONS[use] for use in uses}
    assert permitted | prohibited == set(ACTIONS.values())
    assert not permitted & prohibited


def test_terms_are_a_set_and_an_offer_says_what_for_how_much_and_how_often(shop: Shop) -> None:
    terms = written(shop)
    offer = create_offer(
        actor=shop.publisher,
        experience=shop.public,
        terms=terms,
        kind="metered",
        bundled=[shop.private],
        grant_days=30,
        pricing=Pricing(price_minor=5, currency="EUR", seats=3, replays_quota=500, versions=">=1,<2"),
    )
    alone = linked(shop, f"terms/{terms.pk}")
    assert (alone["@type"], alone["uid"], "target" in alone["permission"][0]) == ("Set", f"urn:uuid:{terms.pk}", False)
    found = linked(shop, f"offers/{offer.pk}")
    assert (found["@type"], found["uid"]) == ("Offer", f"urn:uuid:{offer.pk}")
    (permission,) = found["permission"]
    assert permission["target"] == ["urn:keiken:experience:acme/greet", "urn:keiken:experience:acme/inner"]
    assert permission["assigner"] == "urn:keiken:organization:acme"
    limits = {row["leftOperand"]: row["rightOperand"] for row in permission["constraint"]}
    assert limits == {
        "recipient": "keiken:affiliates",
        "spatial": ["urn:iso:std:iso:3166:-1:DE", "urn:iso:std:iso:3166:-1:JP"],
        "purpose": ["internal operations"],
        "elapsedTime": {"@value": "P30D", "@type": "xsd:duration"},
        "keiken:agents": 3,
        "count": 500,
        "version": ">=1,<2",
    }
    pay, attribute, keep = permission["duty"]
    amount, per = pay["action"][0]["refinement"]
    assert (amount["rightOperand"]["@value"], amount["unit"], per["rightOperand"]) == ("0.05", "EUR", "replay")
    assert (attribute["action"], keep["action"]) == ("attribute", "keiken:keepConfidential")
    assert (found["keiken:supportContact"], found["keiken:textSha256"]) == ("help@acme.example", terms.text_sha256)


def test_an_offer_that_is_not_open_to_you_is_not_there_in_any_form(shop: Shop) -> None:
    for accept in ("application/json", "application/ld+json"):
        assert shop.ask("stranger", "GET", f"offers/{shop.inner.pk}", Accept=accept).status_code == 404


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_makes_an_offer_without_a_change(shop: Shop, name: str) -> None:
    results = shop.ask("publisher of acme", "GET", "organizations/acme/terms-templates").json()["results"]
    template = next(row for row in results if row["name"] == name)
    assert "{publisher}" not in str(template)
    body = {"name": name, "kind": "custom", **{part: template[part] for part in ("text", "text_ja", "uses", "rules")}}
    made = shop.ask("publisher of acme", "POST", "organizations/acme/terms", body)
    assert made.status_code == 201
    offered = {"terms": made.json()["id"], "kind": template["kind"], "grant_days": template["grant_days"]}
    if template["kind"] == "purchase":
        offered["pricing"] = {"price_minor": 4900, "currency": "EUR"}
    assert shop.ask("publisher of acme", "POST", "experiences/acme/greet/offers", offered).status_code == 201
    assert shop.ask("stranger", "GET", "organizations/acme/terms-templates").status_code == 401
    assert shop.ask("publisher of globex", "GET", "organizations/acme/terms-templates").status_code == 404


def test_the_rules_of_every_template_are_rules() -> None:
    assert all(read_rules(template.rules) != Rules() for template in TEMPLATES.values())

"""Licenses to carry along: what they say, who signs them, and what comes back of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.actors import AGENT_SCOPES, Actor
from accounts.models import AuditEntry
from accounts.services.create_agent import create_agent
from experiences.services.signing import signing_key
from keiken.trust import SigningKey, sign, verify
from keiken.trust.licenses import (
    LICENSE_TYPE,
    RECEIPT_TYPE,
    REVOCATIONS_TYPE,
    Receipt,
    read_license,
    read_revocations,
)
from licensing.models import CountedReplay, Grant, LicenseToken, RevocationList
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.issue_token import issue_token
from licensing.services.receive_receipts import receive_receipts
from licensing.services.revoke_grant import revoke_grant
from licensing.services.sign_licenses import refresh_revocations, sign_licenses
from tests import factories
from tests.experiences.conftest import at_once
from tests.licensing.conftest import Shop

SERVER = "https://keiken.example"


@pytest.fixture
def device() -> SigningKey:
    return SigningKey.generate()


def agent_of(shop: Shop) -> Actor:
    row = create_agent(actor=factories.owner_actor(shop.globex), organization=shop.globex, name="runner")
    return Actor(
        kind="agent",
        id=row.pk,
        name=row.name,
        organization_id=shop.globex.pk,
        organization_slug="globex",
        group_id=shop.globex.group_id,
        scopes=AGENT_SCOPES,
    )


def licensed(shop: Shop, **pricing: Any) -> Grant:
    offer = create_offer(
        actor=shop.publisher, experience=shop.public, terms=shop.terms, kind="free", pricing=Pricing(**pricing)
    )
    return shop.accept(offer)


def token_for(actor: Actor, grant: Grant, device: SigningKey) -> LicenseToken:
    token = issue_token(actor=actor, grant=grant, server=SERVER, receipt_key=device.public.as_base64())
    sign_licenses()
    token.refresh_from_db()
    return token


def receipt(issued: LicenseToken, device: SigningKey, number: int = 1, **says: Any) -> Any:
    document = Receipt(
        token=str(issued.pk),
        replay_id=str(uuid.uuid4()),
        number=number,
        version="1.0.0",
        digest="sha256:" + "0" * 64,
        at=datetime.now(UTC).isoformat(),
    ).document()
    return sign({**document, **says}, device, RECEIPT_TYPE)


def test_a_token_says_who_may_do_what_until_when(shop: Shop, device: SigningKey) -> None:
    agent, grant = agent_of(shop), licensed(shop, replays_quota=7, versions=">=1.0,<2")
    token = token_for(agent, grant, device)
    license = read_license(verify(token.envelope, [signing_key().public], LICENSE_TYPE))
    assert (license.server, license.organization, license.holder) == (SERVER, "globex", "runner")
    assert (license.experience, license.versions, license.uses) == ("acme/greet", ">=1.0,<2", ("replay", "read"))
    assert (license.grant, license.id) == (str(grant.pk), str(token.pk))
    assert (license.counted, license.replays_left) == (True, 7)
    lasts = datetime.fromisoformat(license.expires_at) - datetime.fromisoformat(license.issued_at)
    assert lasts == timedelta(days=7)


def test_asking_again_gives_the_same_token_until_something_changes(shop: Shop, device: SigningKey) -> None:
    agent, grant = agent_of(shop), licensed(shop, replays_quota=7)
    first, again = token_for(agent, grant, device), token_for(agent, grant, device)
    assert first.pk == again.pk
    assert token_for(agent, grant, SigningKey.generate()).pk != first.pk
    assert token_for(shop.buyer, grant, device).pk != first.pk
    (result,) = receive_receipts(actor=agent, envelopes=[receipt(first, device)])
    assert result.is_counted
    newer = token_for(agent, grant, device)
    assert (newer.pk != first.pk, newer.payload["replays_left"]) == (True, 6)


@pytest.mark.django_db(transaction=True)
def test_two_requests_and_two_signers_at_once_make_one_token(committed_shop: Shop, device: SigningKey) -> None:
    agent, grant = agent_of(committed_shop), licensed(committed_shop)
    key = device.public.as_base64()
    asked = at_once(*[lambda: issue_token(actor=agent, grant=grant, server=SERVER, receipt_key=key)] * 8)
    assert {row.pk for row in asked} == {LicenseToken.objects.get().pk}
    at_once(*[sign_licenses] * 4)
    token = LicenseToken.objects.get()
    assert verify(token.envelope, [signing_key().public], LICENSE_TYPE)["id"] == str(token.pk)
    numbers = list(RevocationList.objects.values_list("number", flat=True))
    assert len(numbers) == 1


def test_what_is_taken_back_is_on_the_list_while_a_token_is_about(shop: Shop, device: SigningKey) -> None:
    agent, grant = agent_of(shop), licensed(shop)
    token = token_for(agent, grant, device)
    assert listed() == {}
    revoke_grant(actor=shop.publisher, grant_id=grant.pk, reason="It was a mistake.")
    assert listed() == {str(grant.pk): "license_revoked"}
    Grant.objects.filter(pk=grant.pk).update(revoked_code="license_refunded")
    assert listed() == {str(grant.pk): "license_refunded"}
    number = RevocationList.objects.latest("number").number
    assert listed() == {str(grant.pk): "license_refunded"}
    assert RevocationList.objects.latest("number").number == number, "nothing new, no new list"
    LicenseToken.objects.filter(pk=token.pk).update(expires_at=datetime.now(UTC))
    assert listed() == {}


def listed() -> dict[str, str]:
    row = refresh_revocations()
    return dict(read_revocations(verify(row.envelope, [signing_key().public], REVOCATIONS_TYPE)).grants)


def test_receipts_count_once_and_up_to_the_quota(shop: Shop, device: SigningKey) -> None:
    agent, grant = agent_of(shop), licensed(shop, replays_quota=2)
    token = token_for(agent, grant, device)
    told = [receipt(token, device, number) for number in (1, 2, 3)]
    results = receive_receipts(actor=agent, envelopes=told)
    assert [(result.is_counted, result.code) for result in results] == [
        (True, ""),
        (True, ""),
        (False, "quota_exhausted"),
    ]
    assert receive_receipts(actor=agent, envelopes=told)[:2] == results[:2]
    assert CountedReplay.objects.filter(grant=grant).count() == 2
    assert sorted(CountedReplay.objects.values_list("token", "number")) == [(token.pk, 1), (token.pk, 2)]


def test_what_is_no_receipt_of_ours_counts_nothing(shop: Shop, device: SigningKey) -> None:
    agent, grant = agent_of(shop), licensed(shop, replays_quota=9)
    token = token_for(agent, grant, device)
    good = receipt(token, device)
    wrong = [
        (receipt(token, SigningKey.generate()), "signature_invalid"),
        (receipt(token, device, number=0), "license_malformed"),
        (receipt(token, device, replay_id="me"), "receipt_malformed"),
        (receipt(token, device, token=str(uuid.uuid4())), "receipt_unknown"),
        ({**good, "payloadType": LICENSE_TYPE}, "envelope_malformed"),
        ({}, "receipt_malformed"),
        ({"payload": "%%"}, "receipt_malformed"),
        ({"payload": 7}, "receipt_malformed"),
    ]
    results = receive_receipts(actor=agent, envelopes=[envelope for envelope, _code in wrong])
    assert [result.code for result in results] == [code for _envelope, code in wrong]
    assert not any(result.is_counted for result in results)
    stranger = shop.actor("owner of initech")
    assert [result.code for result in receive_receipts(actor=stranger, envelopes=[good])] == ["receipt_unknown"]
    assert CountedReplay.objects.count() == 0


def test_a_receipt_that_never_came_and_a_number_used_twice_are_told_to_the_publisher(
    shop: Shop, device: SigningKey
) -> None:
    agent, grant = agent_of(shop), licensed(shop, replays_quota=9)
    token = token_for(agent, grant, device)
    receive_receipts(actor=agent, envelopes=[receipt(token, device, number) for number in (1, 3, 3)])
    doubts = AuditEntry.objects.filter(action="receipt.doubt", organization=shop.acme).order_by("id")
    assert [(row.details["number"], row.details["code"]) for row in doubts] == [
        (3, "receipt_missing"),
        (3, "receipt_number_used"),
    ]
    assert CountedReplay.objects.filter(grant=grant).count() == 3, "each of them was a replay"

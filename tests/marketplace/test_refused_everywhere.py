"""Every reason for which a license does not hold, in one table: its code online, and its code without the network.

Online is the package's door; offline is what the replayer asks of the signed token, the list of revocations, its clock
and its counter (keiken.trust.licenses), fed here with what the marketplace itself has signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import AGENT_SCOPES, Actor
from accounts.domain.api_keys import new_key
from experiences.services.signing import signing_key
from keiken.errors import KeikenError
from keiken.trust import SigningKey, verify
from keiken.trust.licenses import LICENSE_TYPE, REVOCATIONS_TYPE, Wish, check_license, read_license, read_revocations
from licensing.models import Grant, LicenseToken, Offer, Seat
from licensing.services.issue_token import issue_token
from licensing.services.permissions import take_permissions
from licensing.services.sign_licenses import refresh_revocations, sign_licenses
from tests.marketplace.conftest import Market

SERVER = "https://keiken.example"
PACKAGE = "/api/v1/experiences/acme/write-greeting/versions/1.0.0/package"
DAY = timedelta(days=1)


@dataclass
class Machine:
    """What the replayer knows, and what it is about to do."""

    envelope: Any
    wish: Wish
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen_at: datetime | None = None
    used_in_month: int = 0
    key: Any = None
    """Of the request online."""

    def online(self) -> str:
        answer = Client().get(PACKAGE, headers=self.key.headers)
        return "" if answer.status_code == 200 else str(answer.json()["code"])

    def offline(self) -> str:
        keys = [signing_key().public]
        try:
            license = read_license(verify(self.envelope, keys, LICENSE_TYPE))
            check_license(
                license,
                self.wish,
                revocations=read_revocations(verify(refresh_revocations().envelope, keys, REVOCATIONS_TYPE)),
                now=self.now,
                seen_at=self.seen_at,
                used_in_month=self.used_in_month,
            )
        except KeikenError as refused:
            return refused.code
        return ""


def _grants(**changes: Any) -> Callable[[Market, Machine], object]:
    return lambda market, machine: Grant.objects.update(**changes)


def _ended(market: Market, machine: Machine) -> None:
    """Its end was known when the token was made; then it came."""
    machine.now += 5 * DAY
    Grant.objects.update(starts_at=timezone.now() - 9 * DAY, ends_at=timezone.now())


def _another_agent(market: Market, machine: Machine) -> None:
    Offer.objects.update(seats=1)
    Seat.objects.create(grant=Grant.objects.get(), agent=market.globex.agents.create(name="first"))
    machine.wish = replace(machine.wish, holder="another")


def _another_version(market: Market, machine: Machine) -> None:
    Offer.objects.update(versions=">=2")
    machine.wish = replace(machine.wish, version="1.0.0")


def _another_use(market: Market, machine: Machine) -> None:
    take_permissions(Grant.objects.get())
    machine.wish = replace(machine.wish, use="resell")


def _altered(market: Market, machine: Machine) -> None:
    machine.envelope = {**machine.envelope, "payload": machine.envelope["payload"][:-8] + "AAAAAA=="}
    machine.key = replace(machine.key, secret=machine.key.secret[:-1] + ("a" if machine.key.secret[-1] != "a" else "b"))


def _another_marketplace(market: Market, machine: Machine) -> None:
    machine.wish = replace(machine.wish, server="https://elsewhere.example")
    machine.key = replace(machine.key, secret=new_key().text)


REASONS: dict[str, tuple[Callable[[Market, Machine], object], str, str]] = {
    "nothing": (lambda market, machine: None, "", ""),
    "revoked": (lambda market, machine: market.revoke(Grant.objects.get()), "license_revoked", "license_revoked"),
    "refunded": (
        _grants(revoked_at=timezone.now(), revoked_code="license_refunded"), "license_refunded", "license_refunded",
    ),
    "disputed and lost": (
        _grants(revoked_at=timezone.now(), revoked_code="license_disputed"), "license_disputed", "license_disputed",
    ),
    "in dispute": (_grants(frozen_at=timezone.now()), "license_frozen", "license_frozen"),
    "expired": (_ended, "license_expired", "license_expired"),
    "over quota": (lambda market, machine: setattr(machine, "used_in_month", 7), "", "quota_exhausted"),
    "wrong agent": (_another_agent, "seats_taken", "license_of_other_agent"),
    "wrong version": (_another_version, "version_not_licensed", "version_not_licensed"),
    "wrong use": (_another_use, "use_not_licensed", "use_not_licensed"),
    "clock set back": (
        lambda market, machine: setattr(machine, "seen_at", machine.now + DAY), "", "clock_set_back",
    ),
    "token altered": (_altered, "key_malformed", "signature_invalid"),
    "of another marketplace": (_another_marketplace, "key_unknown", "license_of_other_marketplace"),
}  # fmt: skip
"""What brings it about, the code online, the code offline. Empty: it is no reason there. Online nobody asks the machine's
clock, and the quota of a month ends replays, not downloads: their report is refused (test_license_refusals).
"""


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_code_online_and_offline(market: Market, reason: str) -> None:
    Offer.objects.update(replays_quota=7)
    grant = market.grant()
    Grant.objects.update(ends_at=timezone.now() + 4 * DAY)
    grant.refresh_from_db()
    key = market.key(market.globex)
    agent = key.row.agent
    assert agent is not None
    actor = Actor(
        kind="agent", id=agent.pk, name=agent.name, organization_id=market.globex.pk, organization_slug="globex",
        group_id=market.globex.group_id, scopes=AGENT_SCOPES,
    )  # fmt: skip
    row = issue_token(actor=actor, grant=grant, server=SERVER, receipt_key=SigningKey.generate().public.as_base64())
    sign_licenses()
    wish = Wish(
        server=SERVER, organization="globex", holder=agent.name, experience="acme/write-greeting", version="1.0.0",
        use="replay",
    )  # fmt: skip
    machine = Machine(envelope=LicenseToken.objects.get(pk=row.pk).envelope, wish=wish, key=key)
    bring_about, online, offline = REASONS[reason]
    bring_about(market, machine)
    if reason == "wrong version":  # the token says what it said when it was made; a new one is made for the new offer
        row = issue_token(actor=actor, grant=Grant.objects.select_related("acceptance__offer__terms").get(), server=SERVER,
                          receipt_key=SigningKey.generate().public.as_base64())  # fmt: skip
        sign_licenses()
        machine.envelope = LicenseToken.objects.get(pk=row.pk).envelope
    assert (machine.online(), machine.offline()) == (online, offline)

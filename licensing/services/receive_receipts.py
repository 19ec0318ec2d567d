"""Replays that were counted without the network, told later: each signed by the machine that its license names."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid, Refusal
from accounts.services import audit
from keiken.errors import KeikenError
from keiken.trust import PublicKey, verify
from keiken.trust.licenses import RECEIPT_TYPE, Receipt, read_receipt
from licensing.models import CountedReplay, LicenseToken
from licensing.services.count_replay import count_replay

AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """``code`` is empty for one that counts, now or already."""

    replay_id: str = ""
    is_counted: bool
    code: str = ""


def receive_receipts(*, actor: Actor, envelopes: Sequence[Any]) -> list[Result]:
    """What became of each, in their order; sending them again changes nothing. Raises Unauthenticated, Forbidden."""
    actor.require("report")
    if len(envelopes) > AT_ONCE:
        raise Invalid(
            "receipts_too_many",
            _("At most {count} receipts are taken at once.").format(count=AT_ONCE),
            _("Send them in several requests."),
        )
    return [_received(actor, envelope) for envelope in envelopes]


def _received(actor: Actor, envelope: Any) -> Result:
    try:
        receipt, token = _verified(actor, envelope)
    except (KeikenError, Refusal) as error:
        return Result(is_counted=False, code=error.code)
    try:
        row = count_replay(grant=token.grant, receipt_id=uuid.UUID(receipt.replay_id))
    except Refusal as refusal:
        _record(actor, token, receipt, refusal.code)
        return Result(replay_id=receipt.replay_id, is_counted=False, code=refusal.code)
    numbered = CountedReplay.objects.filter(pk=row.pk, token__isnull=True)
    is_double = CountedReplay.objects.filter(token=token, number=receipt.number).exclude(pk=row.pk).exists()
    if is_double:
        _record(actor, token, receipt, "receipt_number_used")
    elif numbered.update(token=token, number=receipt.number):
        _watch_gap(actor, token, receipt)
    return Result(replay_id=receipt.replay_id, is_counted=True)


def _verified(actor: Actor, envelope: Any) -> tuple[Receipt, LicenseToken]:
    """Raises KeikenError, or Refusal for a token that is none of the actor's organization."""
    token = _token_of(envelope, actor)
    key = PublicKey.from_base64(token.payload["receipt_key"])
    receipt = read_receipt(verify(envelope, [key], RECEIPT_TYPE))
    try:
        is_ours = receipt.token == str(token.pk) and bool(uuid.UUID(receipt.replay_id))
    except ValueError:
        is_ours = False
    if not is_ours:
        raise _malformed()
    return receipt, token


def _token_of(envelope: Any, actor: Actor) -> LicenseToken:
    """The token that an envelope names. What it says is believed only when that token's key has signed it."""
    assert actor.organization_id is not None, "a scope beyond read comes with an organization"
    try:
        named = uuid.UUID(json.loads(base64.b64decode(envelope["payload"]))["token"])
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError):
        raise _malformed() from None
    tokens = LicenseToken.objects.select_related("grant__acceptance__offer", "grant__experience__organization")
    token = tokens.filter(pk=named, grant__organization_id=actor.organization_id).first()
    if token is None:
        raise Invalid(
            "receipt_unknown",
            _("This receipt is about no license of your organization."),
            _("Send it with a key of the organization that holds the license."),
        )
    return token


def _malformed() -> Invalid:
    return Invalid("receipt_malformed", _("This is no receipt of a replay."), _("Send what 'keiken replay' wrote."))


def _watch_gap(actor: Actor, token: LicenseToken, receipt: Receipt) -> None:
    """A number that never comes is a replay that was not told: the publisher reads it in the trail."""
    before = CountedReplay.objects.filter(token=token, number=receipt.number - 1)
    if receipt.number > 1 and not before.exists():
        _record(actor, token, receipt, "receipt_missing")


def _record(actor: Actor, token: LicenseToken, receipt: Receipt, code: str) -> None:
    grant = token.grant
    audit.record(
        actor=actor.seen_from_outside(),
        action="receipt.doubt",
        target=str(grant.experience),
        organization_id=grant.experience.organization_id,
        details={"grant": str(grant.pk), "token": str(token.pk), "number": receipt.number, "code": code},
    )

"""A verifier who is not the publisher proves a version on machines of its own, and adds the statement it signed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, Invalid, TooManyRequests
from accounts.services import audit
from experiences.domain.verdicts import WORST_FIRST
from experiences.models import IndependentStatement, Version
from experiences.services.queueing import send
from experiences.services.standing import lock_version
from keiken.errors import TrustError
from keiken.trust import Claim, PublicKey, check_statement, verify
from keiken.trust.log import envelope_digest

STATEMENTS_A_DAY = 20
CLOCK_TOLERANCE = timedelta(minutes=5)
OLDEST = timedelta(days=1)
PAYLOAD_LIMIT = 64 << 10
SIGNED = frozenset(WORST_FIRST) - {"error"}
_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


def submit_statement(
    *, actor: Actor, version: Version, envelope: dict[str, Any], public_key: str
) -> tuple[IndependentStatement, bool]:
    """The row, and whether it is new: the same envelope again changes nothing. The signing worker logs it.

    Nobody's badge changes by it: each reader decides whose keys count. Raises Forbidden ``not_independent``, Invalid
    ``statement_refused`` or TooManyRequests ``statements_too_many``.
    """
    actor.require("report")
    publisher, sender = version.experience.organization_id, actor.organization_id
    if sender is None or sender == publisher:
        raise Forbidden(
            "not_independent",
            _("A publisher cannot vouch for an experience of its own."),
            _("Ask another organization to prove it."),
        )
    claim, kept = _checked(version, envelope, public_key)
    digest = envelope_digest(kept)
    with transaction.atomic(durable=True):
        lock_version(version.pk)
        known = IndependentStatement.objects.filter(digest=digest).first()
        if known is not None:
            return known, False
        _require_room(sender, version)
        row = IndependentStatement.objects.create(
            version=version,
            organization_id=sender,
            public_key=public_key,
            verdict=claim.verdict,
            environment_name=claim.environment,
            digest=digest,
            envelope=kept,
        )
        audit.record(
            actor=actor,
            action="version.vouch",
            target=str(version),
            organization_id=publisher,
            details={"statement": str(row.pk), "verdict": claim.verdict},
        )
        transaction.on_commit(lambda: send("experiences.tasks.append_to_log", "attest", [()]), robust=True)
    return row, True


def _checked(version: Version, envelope: dict[str, Any], public_key: str) -> tuple[Claim, dict[str, Any]]:
    """What it says, and the envelope with that one signature and nothing else that a stranger may have put there.

    Raises Invalid ``statement_refused`` unless it was signed with that key just now and is about exactly these bytes.
    """
    try:
        key = PublicKey.from_base64(public_key)
        statement = verify(envelope, [key])
        claim = check_statement(statement, package_digest=version.blob_id, reference=str(version))
    except TrustError as error:
        raise _refused(error.message) from None
    when, now = parse_datetime(claim.verified_at), timezone.now()
    if when is None or not now - OLDEST < when < now + CLOCK_TOLERANCE:
        raise _refused(_("It is not of the last day."))
    if claim.verdict not in SIGNED or not _ENVIRONMENT.fullmatch(claim.environment):
        raise _refused(_("It names a verdict or an environment that there is not."))
    if len(envelope["payload"]) > PAYLOAD_LIMIT or len(envelope["signatures"]) != 1:
        raise _refused(_("It is too large, or has another number of signatures than one."))
    signature = {"keyid": key.key_id, "sig": envelope["signatures"][0]["sig"]}
    kept = {"payload": envelope["payload"], "payloadType": envelope["payloadType"], "signatures": [signature]}
    return claim, kept


def _refused(why: str) -> Invalid:
    return Invalid(
        "statement_refused",
        _("The signed statement cannot be taken: {why}").format(why=why),
        _("Prove the version anew with 'keiken vouch ORG/NAME@VERSION'."),
    )


def _require_room(sender: int, version: Version) -> None:
    since = timezone.now() - timedelta(days=1)
    rows = IndependentStatement.objects.filter(version=version, organization_id=sender)
    if rows.filter(created_at__gt=since).count() >= STATEMENTS_A_DAY:
        raise TooManyRequests(
            "statements_too_many",
            _("Your organization has sent {n} statements about this version in a day.").format(n=STATEMENTS_A_DAY),
            _("Try again tomorrow."),
        )

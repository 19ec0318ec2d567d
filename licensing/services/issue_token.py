"""A license to carry along: what it says is decided here, and signed by the worker that holds the key."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from experiences.services.queueing import send
from keiken.trust.licenses import License
from licensing.domain.periods import month_of
from licensing.models import Grant, LicenseToken, Offer
from licensing.services.count_replay import used_in_month

LASTS: Final = timedelta(days=30)
LASTS_COUNTED: Final = timedelta(days=7)
"""Where replays are counted: receipts are not waited for longer."""
REVOCATIONS_MAX_AGE: Final = timedelta(days=3)
"""How long a replayer may go on without asking whether the license was taken back."""
REUSED_WITHIN: Final = timedelta(hours=1)


def issue_token(*, actor: Actor, grant: Grant, server: str, receipt_key: str) -> LicenseToken:
    """The token, perhaps not signed yet; asking again within the hour gives the same one while nothing has changed.

    ``grant`` must be current and the actor's: ``marketplace.access.entitlement`` has decided that.
    """
    now = timezone.now()
    agent_id = actor.id if actor.kind == "agent" else None
    with transaction.atomic(durable=True):
        # Two at once: the second one waits here and finds the first one's token.
        Grant.objects.select_for_update(no_key=True).only("pk").get(pk=grant.pk)
        recent = LicenseToken.objects.filter(grant=grant, created_at__gt=now - REUSED_WITHIN)
        for known in recent.order_by("-created_at")[:20]:
            if known.agent_id == agent_id and _is_same(known, _license(actor, grant, known, server, receipt_key)):
                return known
        counted = is_counted(grant)
        lasts = LASTS_COUNTED if counted else LASTS
        token = LicenseToken(grant=grant, agent_id=agent_id, created_at=now, expires_at=now + lasts)
        token.payload = _license(actor, grant, token, server, receipt_key).document()
        token.save(force_insert=True)
        transaction.on_commit(lambda: send("licensing.tasks.sign_licenses", "attest", [()]), robust=True)
    return token


def is_counted(grant: Grant) -> bool:
    """Whether successful replays are counted: for a quota, or to be paid."""
    offer = grant.acceptance.offer
    return offer.kind == Offer.Kind.METERED or offer.replays_quota is not None


def _is_same(known: LicenseToken, wanted: License) -> bool:
    return bool(known.payload == {**wanted.document(), "uses": list(wanted.uses)})


def _license(actor: Actor, grant: Grant, token: LicenseToken, server: str, receipt_key: str) -> License:
    offer = grant.acceptance.offer
    quota = offer.replays_quota
    now = timezone.now()
    return License(
        id=str(token.pk or uuid.uuid4()),
        server=server,
        organization=actor.organization_slug,
        holder=actor.name,
        experience=str(grant.experience),
        versions=offer.versions,
        grant=str(grant.pk),
        uses=tuple(offer.terms.uses),
        issued_at=token.created_at.isoformat(timespec="seconds"),
        expires_at=token.expires_at.isoformat(timespec="seconds"),
        grant_ends_at=grant.ends_at.isoformat(timespec="seconds") if grant.ends_at else "",
        revocations_max_age_seconds=int(REVOCATIONS_MAX_AGE.total_seconds()),
        counted=is_counted(grant),
        month=f"{month_of(now):%Y-%m}",
        replays_left=None if quota is None else max(0, quota - used_in_month(grant, now)),
        receipt_key=receipt_key,
    )

"""Signing what waits: license tokens, and the list of licenses that were taken back. Only the signing worker does."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from experiences.services.signing import signing_key
from keiken.trust import sign
from keiken.trust.licenses import LICENSE_TYPE, REVOCATIONS_TYPE, Revocations
from licensing.models import Grant, LicenseToken, RevocationList

AT_ONCE: Final = 100
RENEWED_AFTER: Final = timedelta(hours=1)
"""The list says that nothing else was taken back until then, so it is renewed although it is the same."""

_LIST_LOCK = 0x6B656B6F


def sign_licenses() -> int:
    """Sign what waits, after the list that goes with it. How many tokens were signed."""
    refresh_revocations()
    with transaction.atomic(durable=True):
        waiting = LicenseToken.objects.select_for_update(skip_locked=True).filter(envelope__isnull=True)
        rows = list(waiting.order_by("created_at")[:AT_ONCE])
        if rows:
            key = signing_key()
            for row in rows:
                row.envelope = sign(row.payload, key, LICENSE_TYPE)
            LicenseToken.objects.bulk_update(rows, ["envelope"])
    return len(rows)


def refresh_revocations() -> RevocationList:
    """The present list; a new one where something changed or the last one is an hour old."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            # One after the other: a list with a higher number never knows less.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LIST_LOCK])
        grants = taken_back()
        last = RevocationList.objects.order_by("-number").first()
        if last is not None and last.grants == grants and last.created_at > timezone.now() - RENEWED_AFTER:
            return last
        key = signing_key()
        row = RevocationList.objects.create(grants=grants, envelope={})
        issued_at = row.created_at.isoformat(timespec="seconds")
        document = Revocations(number=row.number, issued_at=issued_at, grants=grants).document()
        row.envelope = sign(document, key, REVOCATIONS_TYPE)
        row.save(update_fields=["envelope"])
        # A replayer needs the newest one only, and what is in the trail says when each license was taken back.
        RevocationList.objects.filter(number__lt=row.number - 100).delete()
    return row


def taken_back() -> dict[str, str]:
    """Licenses that permit no longer although a token may say so: their ids, and the code of the refusal."""
    tokens = LicenseToken.objects.filter(expires_at__gt=timezone.now()).values("grant")
    rows = Grant.objects.filter(Q(revoked_at__isnull=False) | Q(frozen_at__isnull=False), pk__in=tokens)
    return {
        str(pk): (code or "license_revoked") if revoked_at else "license_frozen"
        for pk, code, revoked_at in rows.order_by("pk").values_list("pk", "revoked_code", "revoked_at")
    }

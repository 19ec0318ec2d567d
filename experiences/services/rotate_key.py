"""A new signing key after the old one, and taking an old one back. Run where the key files are."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, NotFound
from accounts.services import audit
from experiences.models import PublicKey
from experiences.services.append_to_log import Loggable, append, lock_head
from experiences.services.signing import active_key, signing_key
from keiken.trust import PublicKey as TrustedKey
from keiken.trust import SigningKey, succession
from keiken.trust.pins import revocation


def rotate_key(*, actor: Actor, is_lost: bool = False) -> PublicKey:
    """The new key, named by the old one in a signed statement, which the log holds.

    The old key retires in the same transaction. With ``is_lost`` nobody can name the successor, so everybody has to
    trust it by hand. Raises TrustError ``signing_key_missing`` where the old key is not on this machine.
    """
    first = Path(settings.KEIKEN.signing_key_path)
    with transaction.atomic(durable=True):
        head = lock_head()
        old = None if is_lost else signing_key()
        before = active_key()
        new = SigningKey.generate()
        # Before the row that names it: a file that no row names is never signed with.
        first.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new.save(first.with_name(f"{first.stem}-{new.public.key_id[:16]}{first.suffix}"))
        now = timezone.now()
        signed_by = succession(successor=new.public, signed_with=old, valid_from=now) if old else None
        PublicKey.objects.filter(retired_at__isnull=True).update(retired_at=now)
        row = PublicKey.objects.create(
            key_id=new.public.key_id, public_key=new.public.as_base64(), not_before=now, signed_by=signed_by
        )
        if signed_by is not None:
            append(head, [Loggable(kind="key", envelope=signed_by)], new)
        details = {"key": row.key_id, "after": before.key_id if before else "", "is_lost": is_lost}
        audit.record(actor=actor, action="signing_key.rotate", target=row.key_id, organization_id=None, details=details)
    return row


def revoke_key(*, actor: Actor, key_id: str, reason: str) -> PublicKey:
    """Say with the present key that a retired one counts only for what is in the log by now.

    ``key_id`` may be its beginning. Raises NotFound, Conflict ``key_is_active`` or ``key_already_revoked``.
    """
    with transaction.atomic(durable=True):
        head = lock_head()
        rows = list(PublicKey.objects.filter(key_id__startswith=key_id)) if key_id else []
        if len(rows) != 1:
            raise NotFound(_("signing key"))
        (row,) = rows
        if row.revoked_at is not None:
            raise Conflict(
                "key_already_revoked",
                _("The key {key} is revoked already.").format(key=row.key_id[:16]),
                _("See 'manage.py keys list'."),
            )
        key = signing_key()
        if row.key_id == key.public.key_id:
            raise Conflict(
                "key_is_active",
                _("The key {key} signs now, so none could say that it is revoked.").format(key=row.key_id[:16]),
                _("Rotate first with 'manage.py keys rotate', then revoke it."),
            )
        row.revoked_at = timezone.now()
        row.revocation = revocation(
            revoked=TrustedKey.from_base64(row.public_key), signed_with=key, log_size=head.size, reason=reason
        )
        row.save(update_fields=["revoked_at", "revocation"])
        append(head, [Loggable(kind="revocation", envelope=row.revocation)], key)
        audit.record(
            actor=actor,
            action="signing_key.revoke",
            target=row.key_id,
            organization_id=None,
            details={"reason": reason, "log_size": head.size - 1},
        )
    return row

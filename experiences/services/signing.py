"""The marketplace's keys: files on the signing worker's machine, and their public halves in the database."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from experiences.models import PublicKey
from keiken.errors import TrustError
from keiken.trust import SigningKey


def signing_key() -> SigningKey:
    """The key that signs now; the first is made at first use, its public half recorded for everybody to pin.

    Raises TrustError ``signing_key_missing`` where the file of the recorded key is not on this machine.
    """
    wanted = active_key()
    if wanted is None:
        key = SigningKey.load_or_make(Path(settings.KEIKEN.signing_key_path))
        PublicKey.objects.get_or_create(key_id=key.public.key_id, defaults={"public_key": key.public.as_base64()})
        return key
    for path in key_files():
        key = SigningKey.load(path)
        if key.public.key_id == wanted.key_id:
            return key
    raise TrustError(
        "signing_key_missing",
        _("No file in {folder} holds the signing key {key}.").format(
            folder=Path(settings.KEIKEN.signing_key_path).parent, key=wanted.key_id[:16]
        ),
        _(
            "Put it back from a backup. If it is lost for good, run 'manage.py keys rotate --lost': everybody then has "
            "to trust the new key by hand."
        ),
    )


def active_key() -> PublicKey | None:
    """The row of the key that signs now; None before the first."""
    rows = PublicKey.objects.filter(retired_at__isnull=True, revoked_at__isnull=True)
    return rows.order_by("-not_before", "-pk").first()


def key_files() -> list[Path]:
    """The first key's file, and those of later ones beside it."""
    first = Path(settings.KEIKEN.signing_key_path)
    return sorted(first.parent.glob(f"{first.stem}*{first.suffix}"))

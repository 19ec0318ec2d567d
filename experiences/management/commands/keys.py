"""``manage.py keys list|rotate|revoke``: the keys that statements are signed with. On the signing worker's machine."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM
from accounts.domain.refusals import Refusal
from experiences.models import PublicKey
from experiences.services.rotate_key import revoke_key, rotate_key
from keiken.errors import KeikenError


class Command(BaseCommand):
    help = "List the signing keys, put a new one after the present one, revoke one that was stolen."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("list", help="Every key, oldest first.")
        shown.add_argument("--json", action="store_true", help="The same as one JSON document.")
        rotate = actions.add_parser("rotate", help="A new key, which the present one names in a signed statement.")
        rotate.add_argument(
            "--lost", action="store_true", help="The present key is gone: everybody has to trust the new one by hand."
        )
        revoke = actions.add_parser("revoke", help="A key counts only for what is in the public log by now.")
        revoke.add_argument("key", help="Its id, or how that begins.")
        revoke.add_argument("--reason", required=True, help="Everybody reads it.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except (Refusal, KeikenError) as error:
            raise CommandError(" ".join(filter(None, [error.message, error.advice]))) from None

    def _list(self, options: dict[str, Any]) -> None:
        rows = list(PublicKey.objects.order_by("not_before", "pk"))
        if options["json"]:
            fields = ("key_id", "public_key", "not_before", "retired_at", "revoked_at")
            document = [{name: getattr(row, name) for name in fields} for row in rows]
            self.stdout.write(json.dumps(document, indent=2, default=str))
            return
        for row in rows:
            until = f"until {row.retired_at:%Y-%m-%d %H:%M}" if row.retired_at else "signs now"
            revoked = f", revoked {row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else ""
            self.stdout.write(f"{row.key_id}  from {row.not_before:%Y-%m-%d %H:%M}, {until}{revoked}")

    def _rotate(self, options: dict[str, Any]) -> None:
        row = rotate_key(actor=SYSTEM, is_lost=options["lost"])
        self.stdout.write(_("{key} signs from now on. Back its file up; no restart is needed.").format(key=row.key_id))

    def _revoke(self, options: dict[str, Any]) -> None:
        row = revoke_key(actor=SYSTEM, key_id=options["key"], reason=options["reason"])
        self.stdout.write(_("{key} counts only for what was in the public log before now.").format(key=row.key_id))

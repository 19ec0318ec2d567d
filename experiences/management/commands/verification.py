"""``manage.py verification status|retry|drain|resume``: what waits, who proves it, and what an operator may do."""

from __future__ import annotations

import json
import time
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM
from experiences.selectors import verification_overview
from experiences.services.announce import running, set_draining
from experiences.services.retry_verification import retry


class Command(BaseCommand):
    help = "Show what waits to be proven and who proves it; retry what is in quarantine; drain workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        status = actions.add_parser("status", help="Counts, workers, and the rows that wait with their notes.")
        status.add_argument("--json", action="store_true", help="The same as one JSON document.")
        again = actions.add_parser("retry", help="Try rows again at once, their attempts forgotten.")
        again.add_argument("ids", nargs="*", type=uuid.UUID, help="Their ids; without any, all in quarantine.")
        drain = actions.add_parser("drain", help="Let workers claim nothing more and wait until they are done.")
        drain.add_argument("--worker", default="", help="Only this one, by the name that status shows.")
        drain.add_argument("--timeout", type=float, default=3600, help="How many seconds to wait (3600).")
        resume = actions.add_parser("resume", help="Let drained workers claim again.")
        resume.add_argument("--worker", default="", help="Only this one.")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _status(self, options: dict[str, Any]) -> None:
        overview = verification_overview()
        if options["json"]:
            self.stdout.write(json.dumps(overview, indent=2, default=str))
            return
        counts = ", ".join(f"{count} {name}" for name, count in overview["counts"].items())
        self.stdout.write(counts)
        for worker in overview["workers"]:
            self.stdout.write(_worker_line(worker))
            if worker["note"]:
                self.stdout.write(f"    {worker['note']}")
        for row in overview["open"]:
            held = f"held by {row['worker']} until {row['lease_until']:%H:%M:%S}" if row["lease_until"] else ""
            state = "quarantined" if row["quarantined_at"] else row["state"]
            words = (row["version"], f"in {row['environment']}:", state, f"(attempts: {row['attempts']})", held)
            self.stdout.write(" ".join(filter(None, words)))
            if row["quarantined_at"]:
                self.stdout.write(f"    try it again with: manage.py verification retry {row['id']}")
            if row["operator_note"]:
                self.stdout.write(f"    {row['operator_note']}")

    def _retry(self, options: dict[str, Any]) -> None:
        count = retry(actor=SYSTEM, ids=[str(pk) for pk in options["ids"]])
        if options["ids"] and not count:
            raise CommandError(_("None of these verifications waits. See 'manage.py verification status'."))
        self.stdout.write(_("{n} verifications are tried again.").format(n=count))

    def _drain(self, options: dict[str, Any]) -> None:
        name = options["worker"]
        if not set_draining(name=name, is_draining=True):
            raise CommandError(_("There is no such worker. See 'manage.py verification status'."))
        deadline = time.monotonic() + options["timeout"]
        while left := running(name):
            if time.monotonic() > deadline:
                raise CommandError(
                    _("{n} verifications still run. Nothing more is claimed; ask again later.").format(n=left)
                )
            time.sleep(0.2)
        self.stdout.write(_("Drained: nothing runs, and nothing is claimed until 'manage.py verification resume'."))

    def _resume(self, options: dict[str, Any]) -> None:
        if not set_draining(name=options["worker"], is_draining=False):
            raise CommandError(_("There is no such worker. See 'manage.py verification status'."))
        self.stdout.write(_("Verifications are claimed again."))


def _worker_line(worker: dict[str, Any]) -> str:
    state = "gone" if worker["is_gone"] else "draining" if worker["is_draining"] else "live"
    held = ", ".join(f"{name} ({digest[7:19]})" for name, digest in sorted(worker["environments"].items()))
    runtime = f"{worker['driver'] or 'no sandbox'}, {worker['slots']} slots"
    return f"worker {worker['name']}: {state}, seen {worker['seen_at']:%H:%M:%S}, {runtime}: {held or 'nothing'}"

"""``make soak``: a farm that is abused while it works. Prints the count at the end; exit 0 only if it is right.

Many verifications are queued; real Celery workers prove and sign them and are killed with ``kill -9`` again and again,
the broker is emptied once, the database is restarted once. Afterwards every verification must have ended with exactly
one verdict (the right one) and one attestation. Database, broker, store, keys and logs are in a folder of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from marketplace import embedded  # noqa: E402
from marketplace.config import default_data_dir  # noqa: E402
from marketplace.supervisor import Stack  # noqa: E402

ORGANIZATIONS = 4
PROVERS = ("verify-1", "verify-2", "verify-3")
SIGNER = "attest"
PR_SET_CHILD_SUBREAPER = 36
EXPECTED = {"honest": "passed", "lying": "failed", "hollow": "vacuous"}
"""What each kind of package must be found to be."""
STEPS: dict[str, dict[str, Any]] = {
    "honest": {
        "run": ["cp", "SKILL.md", "work/copy"],
        "expect": ["file('work/copy').sha256 == file('SKILL.md').sha256"],
    },
    "lying": {"run": ["echo", '{"verdict": "passed"}'], "expect": ["file('work/copy').exists"]},
    "hollow": {"run": ["cp", "SKILL.md", "work/copy"], "expect": ["file('SKILL.md').exists"]},
}


@dataclass
class Plan:
    """What happens when so many verifications are done."""

    kills: list[int]
    flush: int
    restart: int

    @classmethod
    def drawn(cls, rows: int, kills: int, dice: random.Random) -> Plan:
        return cls(
            kills=sorted(dice.randint(0, int(rows * 0.9)) for _number in range(kills)),
            flush=dice.randint(int(rows * 0.2), int(rows * 0.5)),
            restart=dice.randint(int(rows * 0.4), int(rows * 0.8)),
        )


@dataclass
class Soak:
    folder: Path
    rows: int
    plan: Plan
    dice: random.Random
    seconds: float
    started: float = field(default_factory=time.monotonic)
    killed: Counter[str] = field(default_factory=Counter)
    flushes: int = 0
    restarts: int = 0

    def run(self) -> dict[str, Any]:
        """The count. What was started is ended in every case."""
        try:
            embedded.start(self.folder)
            prepare()
            self.say(f"publishing {self.rows} versions")
            publish(self.rows)
            with Stack(self.folder / "logs") as stack:
                self.abuse(stack)
            return count()
        finally:
            close_connections()
            embedded.stop(self.folder)

    def abuse(self, stack: Stack) -> None:
        for name in PROVERS:
            stack.start_worker(name, "verify")
        stack.start_worker(SIGNER, "attest,default")
        stack.start_beat()
        told = -1
        while time.monotonic() - self.started < self.seconds:
            done, signed = progress()
            if done != told and (done - told >= max(1, self.rows // 20) or done == self.rows):
                self.say(f"{done} of {self.rows} concluded, {signed} signed")
                told = done
            if self.is_over(done) and signed == self.rows:
                return
            self.next_abuse(stack, done)
            time.sleep(self.dice.uniform(0.1, 0.4))
        self.say("the time is over")

    def is_over(self, done: int) -> bool:
        return done == self.rows and not self.plan.kills and bool(self.flushes and self.restarts)

    def next_abuse(self, stack: Stack, done: int) -> None:
        if self.plan.kills and done >= self.plan.kills[0]:
            self.plan.kills.pop(0)
            name = self.dice.choice([*PROVERS, SIGNER])
            stack.kill(name)
            self.killed[name] += 1
            stack.start_worker(name, "verify" if name in PROVERS else "attest,default")
            self.say(f"killed {name} ({self.killed.total()})")
        elif not self.flushes and done >= self.plan.flush:
            flush(self.folder)
            self.flushes += 1
            self.say("emptied the broker")
        elif not self.restarts and done >= self.plan.restart:
            embedded.stop(self.folder, valkey=False)
            self.say("stopped the database")
            embedded.start(self.folder, valkey=False)
            self.restarts += 1
            self.say("started it again")

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", file=sys.stderr, flush=True)


def flush(folder: Path) -> None:
    import redis

    with redis.Redis.from_url(embedded.redis_url(folder)) as client:
        client.flushall()


def prepare() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def publish(rows: int) -> None:
    """Versions of several organizations: most are honest, some lie, some prove nothing."""
    from accounts.access import person_actor
    from accounts.models import Person
    from accounts.services.create_organization import create_organization
    from experiences.services.publish import publish as publish_version

    actors = []
    for number in range(ORGANIZATIONS):
        person = Person.objects.create_user(f"owner{number}@soak.example")
        made = create_organization(person=person, slug=f"soak-{number}", name=f"Soak {number}")
        actors.append(person_actor(person, made.memberships.get()))
    for number in range(rows):
        actor = actors[number % ORGANIZATIONS]
        kind = ("hollow", "lying")[number % 2] if number % 5 == 0 else "honest"
        publish_version(
            actor=actor,
            organization_slug=actor.organization_slug,
            archive=archive_of(kind, f"{kind}-{number}"),
            visibility="public",
        )


def archive_of(kind: str, name: str) -> bytes:
    import yaml

    from keiken.package import pack

    manifest = {
        "experience": "1",
        "name": name,
        "version": "1.0.0",
        "title": f"A {kind} copy",
        "license": "Apache-2.0",
        "permissions": {"commands": ["cp", "echo"], "write": ["work/**"]},
        "steps": [{"id": "copy", **STEPS[kind]}],
        "scenarios": [{"name": "copies", "environments": ["debian-12"]}],
    }
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / name
        folder.mkdir()
        (folder / "experience.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: Copies a file.\n---\n\n# {name}\n")
        return pack(folder)


def progress() -> tuple[int, int]:
    """How many are concluded and how many are signed; a database that is away is asked again."""
    from django.db import DatabaseError

    from experiences.models import Attestation, Verification

    while True:
        try:
            return Verification.objects.filter(state="done").count(), Attestation.objects.count()
        except DatabaseError:
            close_connections()
            time.sleep(0.2)


def close_connections() -> None:
    from django.db import connections

    connections.close_all()


def count() -> dict[str, Any]:
    """What the database, the log and the signatures say after everything was stopped."""
    from accounts.models import AuditEntry
    from experiences.models import Attestation, LogEntry, LogHead, PublicKey, ScenarioResult, Summary, Verification
    from keiken.trust import PublicKey as Key
    from keiken.trust import read_claim, verify

    keys = [Key.from_base64(row.public_key) for row in PublicKey.objects.all()]
    rows = list(Verification.objects.select_related("version__experience__organization", "attestation"))
    wrong = [str(row) for row in rows if row.verdict != EXPECTED[row.version.experience.name.split("-")[0]]]
    signed: Counter[tuple[str, str]] = Counter()
    for row in Attestation.objects.all():
        claim = read_claim(verify(row.envelope, keys))
        signed[claim.reference, claim.verdict] += 1
    audited = Counter(AuditEntry.objects.filter(action__startswith="verification.").values_list("action", flat=True))
    head = LogHead.objects.first()
    return {
        "verifications": len(rows),
        "concluded": sum(row.state == "done" for row in rows),
        "wrong_verdicts": wrong,
        "scenario_results": ScenarioResult.objects.count(),
        "verdicts_written": audited["verification.conclude"],
        "attestations": Attestation.objects.count(),
        "attestations_written": audited["verification.attest"],
        "signed_once_with_its_verdict": sum(signed[str(row.version), row.verdict] == 1 for row in rows),
        "summaries": Summary.objects.count(),
        "log_entries": LogEntry.objects.count(),
        "log_size": head.size if head else 0,
        "attempts": dict(sorted(Counter(row.attempts for row in rows).items())),
    }


def problems(found: dict[str, Any], rows: int) -> Iterator[str]:
    """Why the count is not right."""
    for name in (
        "verifications",
        "concluded",
        "scenario_results",
        "verdicts_written",
        "attestations",
        "attestations_written",
        "signed_once_with_its_verdict",
        "summaries",
    ):
        if found[name] != rows:
            yield f"{name}: {found[name]}, not {rows}"
    if not found["log_entries"] == found["log_size"] == 2 * rows:
        yield f"the log has {found['log_entries']} entries and says {found['log_size']}, not {2 * rows}"
    for name in found["wrong_verdicts"]:
        yield f"wrong verdict: {name}"
    for key in ("kills_missing", "processes_left", "folders_left"):
        if found[key]:
            yield f"{key}: {found[key]}"
    if (found["broker_emptied"], found["database_restarted"]) != (1, 1):
        yield "the broker was not emptied once, or the database not restarted once"


def processes_left() -> list[int]:
    """Everything below this process that still lives: it inherits whatever the killed workers had started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state not in "ZX":
            parents[int(entry.name)] = int(parent)
    found = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found - {os.getpid()})
        found |= more


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=200)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--minutes", type=float, default=30, help="after so long it is given up")
    options.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    options.add_argument("--json", action="store_true", help="the count as one JSON document on stdout")
    wanted = options.parse_args()

    for ending in (signal.SIGINT, signal.SIGTERM):
        # In every case what was started is ended; a shell in the background would have SIGINT ignored.
        signal.signal(ending, signal.default_int_handler)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    base = default_data_dir().parent
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=base))
    temporary = folder / "tmp"
    temporary.mkdir()
    for place in (folder, temporary):
        place.chmod(0o755)
    use(folder, temporary)
    dice = random.Random(wanted.seed)
    soak = Soak(folder, wanted.rows, Plan.drawn(wanted.rows, wanted.kills, dice), dice, wanted.minutes * 60)
    soak.say(f"seed {wanted.seed}, everything is in {folder}")
    found = soak.run()
    found |= {
        "killed": dict(sorted(soak.killed.items())),
        "kills_missing": wanted.kills - soak.killed.total(),
        "broker_emptied": soak.flushes,
        "database_restarted": soak.restarts,
        "processes_left": processes_left(),
        "folders_left": swept_and_left(temporary),
        "seconds": round(time.monotonic() - soak.started, 1),
    }
    wrong = list(problems(found, wanted.rows))
    told(found, wrong, as_json=wanted.json)
    if wrong:
        print(f"Logs and database are kept in {folder}.", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def use(folder: Path, temporary: Path) -> None:
    """Point this process and all it starts at services, keys, bytes and temporary files of their own."""
    for name in ("DATABASE_URL", "REDIS_URL", "PYTEST_XDIST_WORKER"):
        os.environ.pop(name, None)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="marketplace.settings",
        KEIKEN_DATA_DIR=str(folder),
        KEIKEN_ENVIRONMENTS="debian-12",
        KEIKEN_NUDGE_SECONDS="1",
        KEIKEN_LEASE_SECONDS="6",
        TMPDIR=str(temporary),
    )
    tempfile.tempdir = None


def swept_and_left(temporary: Path) -> list[str]:
    """Our own folders that are left after the sweep that workers do every minute. (Celery leaves empty ones.)"""
    from keiken.workspace import sweep

    sweep(older_than_seconds=0)
    return sorted(path.name for path in temporary.glob("keiken-*"))


def told(found: dict[str, Any], wrong: list[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**found, "problems": wrong}))
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):32} {value}")
    print("\n".join([f"WRONG  {line}" for line in wrong]) or "Every verification has one verdict and one attestation.")


if __name__ == "__main__":
    sys.exit(main())

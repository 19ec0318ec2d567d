"""The story itself: each chapter does one part of the main job through the command line and the HTTP API."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from django.db.models import Q

from accounts.actors import SYSTEM, Actor
from experiences.models import Attestation, Experience, Verification
from keiken.package import load
from licensing.domain.bookkeeping import in_words
from licensing.models import Grant, LedgerLine, Offer, Terms
from licensing.services.create_offer import FREE_OF_CHARGE, Pricing, create_offer
from licensing.services.create_terms import create_terms
from licensing.services.place_order import place_order
from licensing.services.record_invoice import record_invoice
from licensing.services.revoke_grant import revoke_grant
from marketplace.config import PROJECT
from marketplace.demo import packages, parties
from marketplace.demo.command_line import Answer, CommandLine
from marketplace.demo.console import Row, Storyteller
from marketplace.models import Rating

PRICE = Pricing(price_minor=4_900, currency="EUR")


@dataclass
class Demo:
    """What the chapters share."""

    teller: Storyteller
    site_url: str
    folder: Path = field(default_factory=parties.demo_dir)
    owners: dict[str, Actor] = field(default_factory=dict)

    @property
    def acme(self) -> CommandLine:
        return CommandLine(self.folder / "acme")

    @property
    def globex(self) -> CommandLine:
        return CommandLine(self.folder / "globex")


def tell(demo: Demo, *, check_alive: Callable[[], None]) -> int:
    """All chapters in order. Returns the exit code: 0 only if every line is as it must be."""
    sign_in(demo)
    record(demo)
    names = publish(demo)
    prove(demo, check_alive)
    verdicts(demo, names)
    offer(demo, names)
    doors(demo)
    buy(demo)
    use_all(demo, [packages.RECORDED, *names])
    refusals(demo)
    return demo.teller.close()


def sign_in(demo: Demo) -> None:
    demo.teller.chapter("1 · Two organizations and their agents")
    demo.owners = parties.make_parties()
    for slug, agent in (("acme", "release-agent"), ("globex", "operations-agent")):
        secret = parties.agent_key(demo.owners[slug], agent)
        answer = CommandLine(demo.folder / slug).keiken("login", "--server", demo.site_url, KEIKEN_API_KEY=secret)
        demo.teller.holds(answer.exit_code == 0, f"{slug}'s {agent} is signed in; it pinned the site's signing key")


def record(demo: Demo) -> None:
    demo.teller.chapter("2 · Acme's agent records a procedure while doing it")
    draft = demo.folder / "recorded" / packages.RECORDED
    if draft.exists():
        demo.teller.holds(True, f"{packages.RECORDED} was recorded in an earlier demo")
        return
    session, notes = demo.folder / "session.sh", demo.folder / "notes.txt"
    session.write_text(packages.SESSION)
    notes.write_text(packages.NOTES)
    draft.parent.mkdir(parents=True, exist_ok=True)
    answer = demo.acme.keiken(
        "record",
        "shell",
        "--script",
        str(session),
        "--input",
        str(notes),
        "--out",
        str(draft),
        "--name",
        packages.RECORDED,
        "--title",
        "Seal a release",
    )
    for line in packages.SESSION.splitlines():
        demo.teller.tell(f"$ {line}")
    is_recorded = answer.exit_code == 0 and (draft / "experience.yaml").exists()
    demo.teller.holds(
        is_recorded, f"the session became a package with checks, conditions and parameters ({draft.name})"
    )
    checked = demo.acme.keiken("check", str(draft))
    demo.teller.holds(checked.exit_code == 0, "keiken check: format, review and a proof in acme's own sandbox")
    if not is_recorded:
        shutil.rmtree(draft, ignore_errors=True)


def publish(demo: Demo) -> list[str]:
    """Publish the recorded procedure, the examples, a liar and a private one; the examples' names."""
    demo.teller.chapter("3 · Acme publishes")
    examples = sorted(path.parent for path in (PROJECT / "examples").glob("*/experience.yaml"))
    folders = [demo.folder / "recorded" / packages.RECORDED, *examples]
    folders.append(packages.write_liar(demo.folder / "made" / packages.LIAR))
    folders.append(packages.write_sealed(demo.folder / "made" / packages.SEALED))
    private = packages.write_private(demo.folder / "made" / packages.PRIVATE)

    def publish_one(folder: Path) -> Answer:
        options = ["--visibility", "organization"] if folder == private else []
        return demo.acme.keiken("publish", str(folder), *options)

    with ThreadPoolExecutor(max_workers=3) as several, demo.teller.progress() as progress:
        task = progress.add_task("publishing", total=len(folders) + 1)
        answers = several.map(publish_one, [*folders, private])
        for folder, answer in zip([*folders, private], answers, strict=True):
            if answer.exit_code != 0:
                demo.teller.holds(False, f"publishing {folder.name}: {answer.document}")
            progress.advance(task)
    again = demo.acme.keiken("publish", str(examples[0]))
    count = Experience.objects.filter(organization__slug="acme").count()
    demo.teller.holds(count == len(folders) + 1, f"{count} experiences are published")
    demo.teller.holds(again.exit_code == 0, "publishing the same bytes again changes nothing")
    return [path.name for path in examples]


def prove(demo: Demo, check_alive: Callable[[], None], minutes: float = 6) -> None:
    demo.teller.chapter("4 · The workers prove every version in sandboxes, and sign what they saw")
    total = Verification.objects.count()
    deadline = time.monotonic() + minutes * 60
    with demo.teller.progress() as progress:
        task = progress.add_task("proving", total=total)
        while time.monotonic() < deadline:
            check_alive()
            done = Verification.objects.filter(state="done", attestation__isnull=False).count()
            progress.update(task, completed=done)
            if done == total:
                break
            time.sleep(0.2)
    waiting = Verification.objects.filter(~Q(state="done") | Q(attestation__isnull=True))
    for verification in waiting:
        demo.teller.holds(False, f"{verification} still waits. {verification.operator_note}")
    if not waiting:
        demo.teller.holds(True, f"{total} verifications, {Attestation.objects.count()} attestations, each exactly one")


def verdicts(demo: Demo, names: list[str]) -> None:
    demo.teller.chapter("5 · What the badge says")
    for name in [packages.RECORDED, *names]:
        results = {
            result.scenario: result.verdict
            for verification in _concluded(name)
            for result in verification.results.all()
        }
        is_proven = bool(results) and set(results.values()) == {"passed"}
        failing = {scenario: verdict for scenario, verdict in results.items() if verdict != "passed"}
        demo.teller.holds(
            is_proven, f"{name}: {len(results)} scenarios passed" + (f", not: {failing}" if failing else "")
        )
    liar = _concluded(packages.LIAR)
    reason = next((r.reason for v in liar for r in v.results.all() if r.verdict == "failed"), "")
    demo.teller.holds(
        [v.verdict for v in liar] == ["failed"],
        f"{packages.LIAR} prints that it succeeded and does nothing: failed, because checks are evaluated outside",
    )
    if reason:
        demo.teller.tell(reason)


def _concluded(name: str) -> list[Verification]:
    return list(
        Verification.objects.filter(version__experience__name=name, state="done").prefetch_related(
            "results", "environment"
        )
    )


def offer(demo: Demo, names: list[str]) -> None:
    demo.teller.chapter("6 · Acme offers them on written terms: one for money, the others free of charge")
    owner = demo.owners["acme"]
    experiences = Experience.objects.filter(
        organization__slug=owner.organization_slug, name__in=[packages.RECORDED, *names]
    )
    terms = Terms.objects.filter(organization__slug=owner.organization_slug, name="demo-terms").first() or create_terms(
        actor=owner,
        organization=experiences[0].organization,
        name="demo-terms",
        kind="custom",
        text=packages.TERMS,
        uses=["replay", "read"],
    )
    for experience in experiences:
        if not Offer.objects.filter(experience=experience, is_active=True).exists():
            is_sold = experience.name == packages.SOLD
            create_offer(
                actor=owner,
                experience=experience,
                terms=terms,
                kind="purchase" if is_sold else "free",
                pricing=PRICE if is_sold else FREE_OF_CHARGE,
            )
    offered = Offer.objects.filter(experience__in=experiences, is_active=True).count()
    demo.teller.holds(
        offered == len(names) + 1, f"{offered} offers; the exact text has the hash {terms.text_sha256[:16]}…"
    )


def doors(demo: Demo) -> None:
    demo.teller.chapter("7 · Globex's agent asks for what holds on its machine")
    found = demo.globex.keiken("search", "seal", "release", "--fits")
    names = [item["name"] for item in found.document.get("results", [])]
    demo.teller.holds(packages.RECORDED in names, f"keiken search --fits finds {', '.join(names) or 'nothing'}")
    if not Grant.objects.filter(organization__slug="globex", experience__name=packages.RECORDED).exists():
        refused = demo.globex.keiken("pull", f"acme/{packages.RECORDED}")
        demo.teller.holds(
            (refused.exit_code, refused.code) == (3, "license_required"), f"without a license: {refused.code}, exit 3"
        )
    hidden = demo.globex.keiken("show", f"acme/{packages.PRIVATE}")
    demo.teller.holds((hidden.exit_code, hidden.code) == (3, "not_found"), "acme's private experience: not_found")


def buy(demo: Demo) -> None:
    """The agent has no budget; an owner orders by invoice; the operator sees the payment; the ledger tells of it."""
    demo.teller.chapter("8 · Globex buys what costs something, by invoice")
    reference, owner = f"acme/{packages.SOLD}", demo.owners["globex"]
    held = Grant.objects.filter(organization__slug="globex", experience__name=packages.SOLD)
    if held.exists():
        demo.teller.holds(True, f"{reference} was bought in an earlier demo")
        return
    asked = demo.globex.keiken("pull", reference)
    demo.teller.holds(
        (asked.exit_code, asked.code) == (3, "payment_required"), f"without a license: {asked.code}, with the offer"
    )
    refused = demo.globex.keiken("buy", reference, "--yes")
    demo.teller.holds(
        (refused.exit_code, refused.code) == (3, "budget_exceeded"), f"the agent has no budget: {refused.code}"
    )
    offer = Offer.objects.select_related("terms").get(experience__name=packages.SOLD, is_active=True)
    placed = place_order(actor=owner, offer_id=offer.pk, terms_sha256=offer.terms.text_sha256)
    demo.teller.tell(f"globex's owner accepts the terms: {placed}, {in_words(placed.total_minor, placed.currency)}")
    paid = record_invoice(
        actor=SYSTEM, number=placed.number, kind="paid", amount_minor=placed.total_minor, reference="bank statement 1"
    )
    lines = LedgerLine.objects.filter(transaction__movement__order=paid)
    demo.teller.holds(
        paid.state == "paid" and held.count() == 1, "the operator has seen the payment: the license is there"
    )
    demo.teller.holds(
        lines.count() > 1 and sum(line.amount_minor for line in lines) == 0,
        "the ledger balances: " + ", ".join(f"{line.account} {line.amount_minor:+}" for line in lines.order_by("pk")),
    )


def use_all(demo: Demo, names: list[str]) -> None:
    """Globex's agent uses several at the same time, as agents do; told in the order of ``names``."""
    demo.teller.chapter("9 · Globex accepts, pulls, verifies offline, replays, reports and rates")
    verified = {name: _concluded(name) for name in names}
    with ThreadPoolExecutor(max_workers=3) as several, demo.teller.progress() as progress:
        task = progress.add_task("using", total=len(names))
        for used in several.map(lambda name: use(demo, name, verified[name]), names):
            demo.teller.rows.append(used.row)
            demo.teller.holds(
                used.row.is_right, f"{used.row.experience}: {used.row.outcome}, {used.steps} steps, reported and rated"
            )
            for answer in used.wrong:
                demo.teller.tell(str(answer.document)[:800])
            progress.advance(task)


@dataclass(frozen=True)
class Used:
    row: Row
    steps: int
    wrong: list[Answer]


def use(demo: Demo, name: str, verifications: list[Verification]) -> Used:
    """Accept, pull, verify offline, replay, report and rate one experience: a row of the closing table."""
    started = time.monotonic()
    reference = f"acme/{name}"
    answers = []
    if name == packages.SOLD:  # what was bought needs no acceptance any more
        answers.append(demo.globex.keiken("licenses"))
    elif not Grant.objects.filter(organization__slug="globex", experience__name=name).exists():
        answers.append(demo.globex.keiken("accept", reference, "--yes"))
    refused = next((answer.code for answer in answers if answer.exit_code != 0), "")
    pulled = demo.globex.keiken("pull", reference)
    verified = demo.globex.keiken("attestations", f"{reference}@{pulled.document.get('version', '')}", "--offline")
    replayed = demo.globex.keiken("replay", reference, *_rehearsal(name))
    outcome = str(replayed.document.get("outcome", replayed.code))
    reported = demo.globex.keiken("report", str(replayed.document.get("replay_id", "")))
    answers += [pulled, verified, replayed, reported]
    if not Rating.objects.filter(organization__slug="globex", experience__name=name).exists():
        # A later demo leaves it as it is: nobody changes an opinion eleven times a minute.
        answers.append(demo.globex.keiken("rate", reference, "--stars", "5", "--text", "Did what it said."))
    wrong = [answer for answer in answers if answer.exit_code != 0]
    row = Row(
        experience=reference,
        environment=", ".join(sorted({v.environment.name for v in verifications if v.environment})),
        verdict=", ".join(sorted({v.verdict for v in verifications}))
        + (" · signed" if verified.exit_code == 0 else ""),
        license=refused or "granted",
        outcome=outcome,
        seconds=time.monotonic() - started,
        is_right=outcome == "succeeded" and not wrong,
    )
    return Used(row, len(replayed.document.get("steps", [])), wrong)


def _rehearsal(name: str) -> list[str]:
    """The recorded one is replayed on this machine's own /usr; an example with the inputs of its first scenario."""
    if name == packages.RECORDED:
        return ["-p", "release=2026.12"]
    scenario = load(PROJECT / "examples" / name).manifest.scenarios[0]
    return ["--scenario", scenario.name, "--environment", scenario.environments[0]]


def refusals(demo: Demo) -> None:
    demo.teller.chapter("10 · What must be refused is refused, and nothing is touched")
    _unmet_conditions(demo)
    _flipped_byte(demo)
    _revoked(demo)


def _unmet_conditions(demo: Demo) -> None:
    folder = packages.write_picky(demo.folder / "made" / packages.PICKY)
    answer = demo.globex.keiken("replay", str(folder))
    failing = [c for c in answer.document.get("conditions", []) if c["status"] != "holds"]
    demo.teller.holds(
        answer.exit_code == 3 and len(failing) == 2, "a machine that does not fit: exit 3, each reason named"
    )
    for condition in failing:
        demo.teller.tell(f"{condition['condition']}: found {condition['found']}")


def _flipped_byte(demo: Demo) -> None:
    pulled = demo.globex.keiken("pull", f"acme/{packages.RECORDED}").document
    archive = Path(pulled["archive"])
    whole = archive.read_bytes()
    archive.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    answer = demo.globex.keiken("attestations", f"acme/{packages.RECORDED}@{pulled['version']}", "--offline")
    archive.write_bytes(whole)
    demo.teller.holds(answer.exit_code == 3, f"one flipped byte in the package: {answer.code}")


def _revoked(demo: Demo) -> None:
    """A revoked grant and a revoked key, each on things of their own, so that a second demo finds them as they are."""
    name = packages.SEALED
    experience = Experience.objects.get(organization__slug="acme", name=name)
    grants = Grant.objects.filter(experience=experience)
    if not grants.exists():
        _offer_and_accept(demo, experience)
        allowed = demo.globex.keiken("pull", f"acme/{name}")
        demo.teller.holds(allowed.exit_code == 0, "with a grant the download is allowed")
        revoke_grant(actor=demo.owners["acme"], grant_id=grants.get().pk, reason="the demo takes it back")
    refused = demo.globex.keiken("pull", f"acme/{name}@1.0.0", "--fresh")
    demo.teller.holds((refused.exit_code, refused.code) == (3, "license_revoked"), f"a revoked grant: {refused.code}")

    visitor = CommandLine(demo.folder / "visitor")
    secret = parties.agent_key(demo.owners["globex"], "retired-agent")
    visitor.keiken("login", "--server", demo.site_url, KEIKEN_API_KEY=secret)
    parties.revoke_agent_key(demo.owners["globex"], "retired-agent")
    answer = visitor.keiken("login", "--server", demo.site_url, KEIKEN_API_KEY=secret)
    demo.teller.holds((answer.exit_code, answer.code) == (3, "key_revoked"), f"a revoked key: {answer.code}")


def _offer_and_accept(demo: Demo, experience: Experience) -> None:
    terms = Terms.objects.get(organization__slug="acme", name="demo-terms")
    create_offer(actor=demo.owners["acme"], experience=experience, terms=terms, kind="free")
    demo.globex.keiken("accept", f"acme/{experience.name}", "--yes")
